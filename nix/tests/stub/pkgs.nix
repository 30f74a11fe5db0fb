# Packages by name, and a mkDerivation that can build with the tools of this machine. Every attribute goes into the derivation, so
# that none stays unlooked at.
{
  lib,
  system,
  tools,
}:
let
  build =
    args:
    let
      name = args.name or "${args.pname}-${args.version}";
      extra = {
        inherit (args) meta;
        version = args.version or "0";
        pname = args.pname or name;
      };
      # An unknown field of meta or passthru is as much an error as one of the derivation.
      forced = builtins.deepSeq (args.meta or { }) (builtins.mapAttrs (_: value: "${value}") (args.passthru or { }));
      drv = derivation (
        builtins.removeAttrs args [ "meta" "passthru" ]
        // {
          inherit name system;
          builder = "/bin/bash";
          args = [ ./build.sh ];
        }
      );
    in
    drv // builtins.seq forced (args.passthru or { }) // extra // { meta = args.meta or { }; };

  named =
    pname:
    if tools ? ${pname} then
      { outPath = builtins.storePath tools.${pname}; drvPath = tools.${pname}; type = "derivation"; inherit pname; version = "0"; meta.mainProgram = pname; }
    else
      build { inherit pname; version = "0"; meta.mainProgram = pname; };

  platform = {
    hostPlatform = { inherit system; };
    mkDerivation = build;
  };

  pkgs = lib.genAttrs [ "cacert" "chromium" "makeWrapper" "nixfmt-tree" "nodejs_24" "python3" "util-linux" ] named // {
    inherit lib pkgs;
    stdenv = platform;
    stdenvNoCC = platform;
    forgejo-mcp = named "forgejo-mcp" // { version = "2.34.1"; };
    callPackage =
      file: arguments:
      let
        make = import file;
      in
      make (builtins.intersectAttrs (builtins.functionArgs make) pkgs // arguments);
    runCommand = name: attributes: command: build (attributes // { inherit name; dontUnpack = true; buildPhase = command; installPhase = ""; });
    writeText = name: text: build { inherit name text; dontUnpack = true; buildPhase = "printf %s \"$text\" > $out"; installPhase = ""; };
    mkShell = attributes: build ({ name = "shell"; } // attributes);
    dockerTools.buildLayeredImage =
      {
        name,
        tag,
        contents,
        fakeRootCommands,
        config,
      }:
      build { inherit name tag contents fakeRootCommands; config = builtins.toJSON config; };
  };
in
pkgs
