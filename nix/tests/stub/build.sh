# The phases of nixpkgs' stdenv that our packages have, with this machine's compiler and tools.
set -euo pipefail
export PATH=/usr/local/bin:/usr/bin:/bin
for input in ${nativeBuildInputs-}; do [ -d "$input/bin" ] && PATH=$input/bin:$PATH; done
export TMPDIR=$PWD

runHook() { :; }

# makeWrapper PROGRAM FILE [--add-flags WORDS] [--suffix PATH : FOLDERS]
makeWrapper() {
  program=$1 file=$2 flags= folders=
  shift 2
  while [ $# -gt 0 ]; do
    case $1 in
      --add-flags) flags=$2; shift 2 ;;
      --suffix) [ "$2 $3" = "PATH :" ]; folders=$4; shift 4 ;;
      *) echo "makeWrapper: $1 is not in this stand-in" >&2; exit 1 ;;
    esac
  done
  mkdir -p "$(dirname "$file")"
  printf '#!/bin/sh\nexport PATH="$PATH${PATH:+:}%s"\nexec %s %s "$@"\n' "$folders" "$program" "$flags" > "$file"
  chmod +x "$file"
}

if [ -z "${dontUnpack-}" ] && [ -n "${src-}" ]; then
  cp -r "$src" source
  chmod -R u+w source
  cd source
fi
eval "${buildPhase-}"
eval "${installPhase-mkdir -p \$out}"
if [ -n "${doInstallCheck-}" ]; then eval "${installCheckPhase-}"; fi
