# The one native module, compiled without the network for the Node that will load it, and the two packages that it loads.
{
  lib,
  stdenv,
  nodejs_24,
  python3,
  nodeModules,
}:

let
  lock = lib.importJSON ../package-lock.json;
in
stdenv.mkDerivation {
  pname = "fjmcp-broker-better-sqlite3";
  version = lock.packages."node_modules/better-sqlite3".version;

  dontUnpack = true;

  nativeBuildInputs = [
    nodejs_24
    python3
  ];

  # Since 24.19 Node's header has objects of such modules take back an exit hook when they are destroyed. That aborts the process
  # when the garbage collector destroys a statement of better-sqlite3 12 while no JavaScript runs. The class is compiled from
  # this header into the module and into nothing else, so it can do without the hook, as it did before.
  buildPhase = ''
    runHook preBuild
    mkdir -p node/include
    cp -rL ${nodejs_24}/include/node node/include/node
    cp -r ${nodeModules}/node_modules/better-sqlite3 better-sqlite3
    chmod -R u+w node better-sqlite3
    sed -i '/EnvironmentCleanupHook(v8::Isolate::GetCurrent(), CleanupHook, this);/d' node/include/node/node_object_wrap.h
    (
      export HOME=$TMPDIR npm_config_nodedir=$PWD/node
      cd better-sqlite3
      node ${nodejs_24}/lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js rebuild --release
    )
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    module=$out/node_modules/better-sqlite3
    mkdir -p $module/build/Release
    cp -r better-sqlite3/package.json better-sqlite3/LICENSE better-sqlite3/lib $module/
    cp better-sqlite3/build/Release/better_sqlite3.node $module/build/Release/
    cp -r ${nodeModules}/node_modules/bindings ${nodeModules}/node_modules/file-uri-to-path $out/node_modules/
    runHook postInstall
  '';

  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    if nm -D $out/node_modules/better-sqlite3/build/Release/better_sqlite3.node | grep RemoveEnvironmentCleanupHook; then
      echo "node_object_wrap.h has changed: the module would abort" >&2
      exit 1
    fi
    node -e 'new (require(process.argv[1]))(":memory:").exec("select 1")' $out/node_modules/better-sqlite3
    runHook postInstallCheck
  '';

  meta.license = lib.licenses.mit;
}
