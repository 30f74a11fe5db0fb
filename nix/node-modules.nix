# node_modules for building, as a fixed-output derivation: the only step that may use the network. Which packages, and their own
# hashes, stand in package-lock.json; scripts/check-nix.mjs recomputes the hashes below (--write puts them here).
{
  lib,
  stdenvNoCC,
  nodejs_24,
  cacert,
}:

let
  system = stdenvNoCC.hostPlatform.system;
  # The platform packages of esbuild are all that differs.
  wanted =
    {
      x86_64-linux = {
        cpu = "x64";
        hash = "sha256-R8AYla9C0J36EJdO3JSq1kxpCubhBvJkxW4lYB0P62c=";
      };
      aarch64-linux = {
        cpu = "arm64";
        hash = "sha256-bJW1MI+xPG042l7m/fAnSnaCPBY9MUMoYLAsCe5A+bs=";
      };
    }
    .${system} or (throw "fjmcp-broker is not built for ${system}");
  lock = builtins.substring 0 8 (builtins.hashFile "sha256" ../package-lock.json);
in
stdenvNoCC.mkDerivation {
  # Named after the lock, so that a new lock with an old hash is not answered with the old packages.
  name = "fjmcp-broker-node-modules-${lock}";

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../package.json
      ../package-lock.json
      ./node-modules.mjs
    ];
  };

  nativeBuildInputs = [
    nodejs_24
    cacert
  ];

  buildPhase = ''
    runHook preBuild
    export HOME=$TMPDIR
    node nix/node-modules.mjs ${wanted.cpu}
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    # A package finds its own only from below a folder of this name.
    mkdir $out
    mv node_modules $out/
    runHook postInstall
  '';

  # It would write store paths into scripts, and a fixed output must hold none.
  dontFixup = true;

  # A mirror or a proxy of the machine that builds: what comes from there has to have the right hash.
  impureEnvVars = lib.fetchers.proxyImpureEnvVars ++ [
    "npm_config_registry"
    "NODE_EXTRA_CA_CERTS"
  ];

  outputHashMode = "recursive";
  outputHashAlgo = "sha256";
  outputHash = wanted.hash;
}
