job "expert" {
  group "main" {
    task "main" {
      config { command = "/opt/models/run" } # smell
    }
  }
}
