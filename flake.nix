{
  description = "Work on a Forgejo instance from any MCP client: an OAuth 2.1 authorization server and MCP session broker";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      forEachSystem =
        make:
        lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: make nixpkgs.legacyPackages.${system} self.packages.${system});

      revision = if self ? rev then builtins.substring 0 12 self.rev else "unknown";
      packageIn = pkgs: pkgs.callPackage ./nix/package.nix { inherit revision; };
    in
    {
      packages = forEachSystem (
        pkgs: own: {
          default = own.fjmcp-broker;
          fjmcp-broker = packageIn pkgs;
          image = pkgs.callPackage ./nix/image.nix {
            inherit (own) fjmcp-broker;
            # Older ones have tools that read files of the host.
            forgejo-mcp = if lib.versionOlder pkgs.forgejo-mcp.version "2.34.0" then null else pkgs.forgejo-mcp;
          };
        }
      );

      overlays.default = final: _: { fjmcp-broker = packageIn final; };

      nixosModules.default =
        { lib, pkgs, ... }:
        {
          imports = [ ./nix/module.nix ];
          services.fjmcp-broker.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        };

      devShells = forEachSystem (
        pkgs: _: {
          # python3, make and a compiler are for better-sqlite3, Chromium for the tests with a browser.
          default = pkgs.mkShell {
            packages = [
              pkgs.nodejs_24
              pkgs.python3
              pkgs.util-linux
              pkgs.chromium
            ];
            CHROMIUM = lib.getExe pkgs.chromium;
          };
        }
      );

      checks = forEachSystem (pkgs: own: import ./nix/checks.nix { inherit self nixpkgs pkgs own; });

      formatter = forEachSystem (pkgs: _: pkgs.nixfmt-tree);
    };
}
