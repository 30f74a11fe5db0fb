{
  lib,
  stdenv,
  callPackage,
  makeWrapper,
  nodejs_24,
  util-linux,
  # What `--version` tells besides the version.
  revision ? "unknown",
}:

let
  manifest = lib.importJSON ../package.json;
  nodeModules = callPackage ./node-modules.nix { };
  betterSqlite3 = callPackage ./better-sqlite3.nix { inherit nodeModules; };
in
stdenv.mkDerivation {
  pname = manifest.name;
  inherit (manifest) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../src
      ../demo
      ../scripts
      ../package.json
      ../tsconfig.json
      ../LICENSE
    ];
  };

  nativeBuildInputs = [
    makeWrapper
    nodejs_24
  ];

  buildPhase = ''
    runHook preBuild
    ln -s ${nodeModules}/node_modules node_modules
    FJMCP_REVISION=${lib.escapeShellArg revision} node scripts/build.mjs
    runHook postBuild
  '';

  # Children are confined with setpriv and prlimit. What the operator puts into PATH comes first.
  installPhase = ''
    runHook preInstall
    home=$out/lib/fjmcp-broker
    mkdir -p $home
    cp -r dist package.json LICENSE $home/
    ln -s ${betterSqlite3}/node_modules $home/node_modules
    makeWrapper ${nodejs_24}/bin/node $out/bin/fjmcp-broker \
      --add-flags $home/dist/main.js \
      --suffix PATH : ${lib.makeBinPath [ util-linux ]}
    runHook postInstall
  '';

  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    $out/bin/fjmcp-broker --version | grep -F ${lib.escapeShellArg manifest.version}
    runHook postInstallCheck
  '';

  passthru = { inherit nodeModules betterSqlite3; };

  meta = {
    inherit (manifest) description;
    license = lib.licenses.mit;
    mainProgram = "fjmcp-broker";
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
    ];
  };
}
