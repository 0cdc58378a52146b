#!/usr/bin/env bash
# Runs docker-compose.yml for real: builds the image, starts the eight containers, waits until each is
# healthy, commits one transaction on each writer through the SDK from inside the network, and takes everything down again.
#
#   scripts/containers.sh [--keep]        --keep: leave the cluster running
#
# Uses the docker daemon if there is one. Otherwise, on Debian and as root, it installs podman, runc and
# docker-compose, and starts podman's service for docker clients, private to this run. If the base image
# cannot be pulled, a stand-in is made of this machine's own Node.js and Debian's essential packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

keep=no
case "${1:-}" in
  "") ;;
  --keep) keep=yes ;;
  *) echo "usage: scripts/containers.sh [--keep]" >&2; exit 2 ;;
esac

base=docker.io/library/node:20-bookworm-slim
project=sixfold-containers
work=$(mktemp -d -t sixfold-containers-XXXXXX)
service_pid=
export SIXFOLD_TOKEN=${SIXFOLD_TOKEN:-$(head -c 18 /dev/urandom | base64 | tr -d '+/')}
services=(segment-{a,b,c}{1,2} writer-{1,2})

say() { echo "containers: $*" >&2; }

# Old builders only: podman's service does not speak BuildKit.
export DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0 COMPOSE_PROJECT_NAME=$project

compose() { docker-compose "$@"; }

finish() {
  local status=$?
  if [ "$status" -ne 0 ] && [ -n "${started:-}" ]; then compose logs --tail=20 >&2 || true; fi
  if [ "$keep" = no ] || [ "$status" -ne 0 ]; then
    [ -n "${started:-}" ] && compose down --volumes --timeout 20 >"$work/down.log" 2>&1 || true
    [ -n "$service_pid" ] && kill "$service_pid" 2>/dev/null || true
    rm -rf "$work"
  else
    say "still running; token $SIXFOLD_TOKEN, DOCKER_HOST=${DOCKER_HOST:-default}, COMPOSE_PROJECT_NAME=$project"
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# --- an engine --------------------------------------------------------------------------------------

install_packages() {
  local missing=()
  for package in podman runc netavark aardvark-dns iptables catatonit docker-compose; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]} ..."
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$work/apt.log" 2>&1 ||
    { tail -20 "$work/apt.log" >&2; exit 1; }
}

# Neither systemd nor the limits of a full machine are assumed: both are missing inside of a sandbox.
write_engine_configuration() {
  cat >"$work/containers.conf" <<CONF
[containers]
default_ulimits = []
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
CONF
  export CONTAINERS_CONF=$work/containers.conf
}

start_podman() {
  install_packages
  write_engine_configuration
  podman system service --time=0 "unix://$work/podman.sock" >"$work/podman.log" 2>&1 &
  service_pid=$!
  export DOCKER_HOST=unix://$work/podman.sock
  for _ in $(seq 100); do
    [ -S "$work/podman.sock" ] && return
    sleep 0.1
  done
  cat "$work/podman.log" >&2
  exit 1
}

# --- a base image -----------------------------------------------------------------------------------

# Debian's essential packages with what Node.js links to, plus Node.js and npm of this machine: what
# node:20-bookworm-slim consists of, from local files.
import_stand_in() {
  local list=$work/files root=$work/root packages
  packages=$(dpkg-query -W -f '${Essential} ${Package}\n' | sed -n 's/^yes //p')
  packages+=" libc6 libgcc-s1 libstdc++6 libtinfo6 libselinux1 libpcre2-8-0 libacl1 libattr1 libgmp10 libcrypt1"
  packages+=" zlib1g libbz2-1.0 liblzma5 libzstd1 libblkid1 libmount1 libuuid1 libsmartcols1 libsystemd0 ca-certificates openssl libssl3"
  # shellcheck disable=SC2086
  dpkg-query -L $packages | sort -u | grep -Ev '^/(usr/share/(doc|man|locale|info)|dev|proc|sys)/' >"$list"
  printf '%s\n' /etc/ssl/certs/ca-certificates.crt >>"$list"
  # /bin, /lib and the like are links into /usr, but packages still name files by the old paths.
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
  tar -C / --no-recursion -cf - -T <(sed 's|^/||' "$list" | while read -r path; do [ -e "/$path" ] && echo "$path"; done) |
    tar -C "$root" --keep-directory-symlink -xf -
  local node npm
  node=$(readlink -f "$(command -v node)")
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/node_modules" "$root/tmp" "$root/home/node"
  chmod 1777 "$root/tmp"
  cp "$node" "$root/usr/local/bin/node"
  cp -r "$npm" "$root/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
  printf '%s\n' root:x:0:0:root:/root:/bin/bash node:x:1000:1000::/home/node:/bin/bash >"$root/etc/passwd"
  printf '%s\n' root:x:0: node:x:1000: >"$root/etc/group"
  chown 1000:1000 "$root/home/node"
  tar -C "$root" -cf "$work/base.tar" .
  # It trusts whom this machine trusts, which may sit behind a proxy of its own.
  podman import --change ENV=PATH=/usr/local/bin:/usr/bin:/bin --change 'CMD ["node"]' \
    --change ENV=NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    "$work/base.tar" "$base" >"$work/import.log" 2>&1 || { cat "$work/import.log" >&2; exit 1; }
  rm -rf "$root" "$work/base.tar"
}

ensure_base() {
  podman image exists "$base" && return
  timeout 120 podman pull -q "$base" >"$work/pull.log" 2>&1 && return
  say "the base image cannot be pulled; making a stand-in from this machine"
  import_stand_in
}

# With podman on the host's network, where the package registry is known to be reachable.
build() {
  if [ -n "$service_pid" ]; then
    podman build --format docker --network host -t sixfold:latest .
  else
    compose build segment-a1
  fi
}

# --- the cluster ------------------------------------------------------------------------------------

container_of() { compose ps -q "$1"; }

# Asks by itself instead of reading the engine's health state: podman runs health checks only under systemd.
healthy() { docker_exec "$1" node scripts/container-health.mjs >"$work/health.log" 2>&1; }

docker_exec() {
  local service=$1
  shift
  compose exec -T "$service" "$@"
}

wait_until_healthy() {
  local deadline=$((SECONDS + 120))
  for service in "${services[@]}"; do
    until healthy "$service"; do
      if [ $SECONDS -ge $deadline ]; then
        say "$service is not healthy: $(cat "$work/health.log")"
        exit 1
      fi
      sleep 1
    done
    say "$service is healthy"
  done
}

if docker info >/dev/null 2>&1; then
  command -v docker-compose >/dev/null || { say "docker-compose is missing"; exit 1; }
else
  [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] || { say "no docker daemon, and not root on Debian"; exit 1; }
  start_podman
  ensure_base
fi
say "building the image ..."
build >"$work/build.log" 2>&1 || { tail -40 "$work/build.log" >&2; exit 1; }
say "starting ..."
started=yes
compose up -d --no-build >"$work/up.log" 2>&1 || { tail -40 "$work/up.log" >&2; exit 1; }
wait_until_healthy
docker_exec writer-1 node --input-type=module - <scripts/container-probe.mjs
say "ok"
