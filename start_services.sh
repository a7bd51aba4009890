#!/usr/bin/env bash
# Starts the cluster's services in the order in which they need each other, and waits for each in Consul; safe to run again.
#   ./start_services.sh                                     the jobs of Nomad
#   ./start_services.sh --inventory inventory/hosts.yaml    first the units of the hosts: Consul, Nomad, MQTT, Home Assistant
#   ./start_services.sh --home-assistant HOST:8123          and Home Assistant, which is no job, has to answer there
# NOMAD_ADDR and CONSUL_HTTP_ADDR say where the cluster is (without them: this host); docs/power.md has the rest.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  printf 'start_services.sh: %s\n' "$*" >&2
  exit 4
}

# As `fail`, for what the user can put right.
refuse() {
  printf 'start_services.sh: error: %s\n' "$*" >&2
  exit 2
}

has_what_it_needs='import importlib.util, sys; sys.exit(sys.version_info < (3, 11) or not importlib.util.find_spec("aiohttp"))'

# The Python that has what Anneal needs.
find_python() {
  local candidate
  for candidate in "${EVOLVE_PYTHON:-}" "$here/.venv/bin/python" python3; do
    if [ -n "$candidate" ] && PYTHONPATH="$here" "$candidate" -c "$has_what_it_needs" 2>/dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
}

# What systemd runs on the hosts.
start_units() {
  local playbook=$here/.venv/bin/ansible-playbook
  [ -x "$playbook" ] || playbook=$(command -v ansible-playbook) ||
    fail "--inventory needs Ansible; type: .venv/bin/pip install -e '.[infra]'"
  (cd "$here" && "$playbook" -i "$1" heal_cluster.yaml) ||
    fail "the hosts' units are not up: see above; the playbook names the host and the unit"
}

arguments=()
inventory=
while [ $# -gt 0 ]; do
  case $1 in
    --inventory)
      [ $# -gt 1 ] || refuse "--inventory needs a file, such as inventory/hosts.yaml"
      [ -e "$2" ] || refuse "--inventory $2: no such file"
      inventory=$(realpath -- "$2")
      shift 2
      ;;
    --inventory=*) set -- --inventory "${1#*=}" "${@:2}" ;;
    *)
      arguments+=("$1")
      shift
      ;;
  esac
done

python=$(find_python)
[ -n "$python" ] || fail "no Python with Anneal; type: ./bootstrap.sh setup"
[ -z "$inventory" ] || start_units "$inventory"
PYTHONPATH="$here" exec "$python" -m pipecatapp.power.start_services ${arguments[@]+"${arguments[@]}"}
