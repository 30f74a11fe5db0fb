# services.fjmcp-broker: an option for each setting of the broker. Names, defaults and descriptions are in settings.json, which
# scripts/check-nix.mjs writes from src/layers/SettingsTable.ts, and compares.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.fjmcp-broker;

  settings = lib.importJSON ./settings.json;
  typeOf = import ./types.nix { inherit lib; };
  # Not variables: systemd reads two of them and hands them over as credentials, and makes the third.
  special = [
    "forgejoClientSecret"
    "sealingKeyFile"
    "dataDir"
  ];
  plain = builtins.filter (setting: !builtins.elem setting.key special) settings;

  optionOf =
    setting:
    let
      type = typeOf setting.metavar;
      default = if setting.default == "" then "none" else setting.default;
    in
    lib.nameValuePair setting.key (
      if setting.required then
        mkOption {
          inherit type;
          inherit (setting) example description;
        }
      else
        mkOption {
          type = types.nullOr type;
          default = null;
          defaultText = lib.literalMD "`null`, which leaves it to the broker: ${default}";
          inherit (setting) description;
        }
    );

  textOf =
    value:
    if builtins.isBool value then
      lib.boolToString value
    else if builtins.isList value then
      lib.concatStringsSep " " value
    else
      toString value;
  # systemd would take %h and the like for something else.
  environment = lib.listToAttrs (
    map (setting: lib.nameValuePair setting.variable (lib.replaceStrings [ "%" ] [ "%%" ] (textOf cfg.${setting.key}))) (
      builtins.filter (setting: cfg.${setting.key} != null) plain
    )
  );

  secretFile = types.strMatching "/[^:[:space:]]+";
  isInStore = file: file != null && lib.hasPrefix "${builtins.storeDir}/" file;
  isOld = child: child != null && lib.getName child == "forgejo-mcp" && lib.versionOlder (lib.getVersion child) "2.34.0";
in
{
  options.services.fjmcp-broker = lib.listToAttrs (map optionOf plain) // {
    enable = lib.mkEnableOption "fjmcp-broker, an OAuth 2.1 authorization server and MCP session broker for Forgejo";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalMD "that of this flake";
      description = "The broker.";
    };

    childPackage = mkOption {
      type = types.nullOr types.package;
      default = pkgs.forgejo-mcp;
      defaultText = lib.literalExpression "pkgs.forgejo-mcp";
      description = "What has the program that `childCommand` names, 2.34.0 or newer if it is forgejo-mcp. `null`: nothing, because `childCommand` has a whole path.";
    };

    forgejoClientSecretFile = mkOption {
      type = secretFile;
      example = "/run/agenix/fjmcp-client-secret";
      description = "A file with the secret of the OAuth application in Forgejo. systemd reads it as root; it must not be in the Nix store, which everybody can read.";
    };

    sealingKeyFile = mkOption {
      type = types.nullOr secretFile;
      default = null;
      example = "/run/agenix/fjmcp-sealing-key";
      description = "A file with the key that seals Forgejo's tokens in the store: 32 bytes in base64. systemd reads it as root. `null`: the broker makes one in `dataDir` at its first start.";
    };

    dataDir = mkOption {
      type = types.strMatching "/var/lib/[A-Za-z0-9_-][A-Za-z0-9._-]*";
      default = "/var/lib/fjmcp-broker";
      description = "The directory of the store. systemd makes it, as `StateDirectory`, which is why it is below /var/lib.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !isInStore cfg.forgejoClientSecretFile && !isInStore cfg.sealingKeyFile;
        message = "services.fjmcp-broker: forgejoClientSecretFile and sealingKeyFile must not be in the Nix store, which everybody can read. Name a file that agenix or sops-nix puts below /run.";
      }
      {
        assertion = !isOld cfg.childPackage;
        message = "services.fjmcp-broker: childPackage is forgejo-mcp ${lib.getVersion cfg.childPackage}, but before 2.34.0 its tools can read files of this machine. Set it to a newer one.";
      }
      {
        assertion = cfg.childPackage != null || cfg.childCommand != null;
        message = "services.fjmcp-broker: childPackage is null, so set childCommand, with the whole path of its program.";
      }
    ];

    systemd.services.fjmcp-broker = {
      description = "MCP session broker for Forgejo";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      inherit environment;
      path = lib.optional (cfg.childPackage != null) cfg.childPackage;
      serviceConfig = import ./hardening.nix // {
        Type = "exec";
        ExecStart = "${lib.getExe cfg.package} serve";
        LoadCredential =
          [ "forgejo-client-secret:${cfg.forgejoClientSecretFile}" ]
          ++ lib.optional (cfg.sealingKeyFile != null) "sealing-key:${cfg.sealingKeyFile}";
        Restart = "on-failure";
        RestartSec = "2s";
        RestartPreventExitStatus = 2;
        KillMode = "mixed";
        TimeoutStopSec = 40 + (if cfg.drainGrace == null then 20 else typeOf.seconds cfg.drainGrace);
        DynamicUser = true;
        StateDirectory = lib.removePrefix "/var/lib/" cfg.dataDir;
        StateDirectoryMode = "0700";
        UMask = "0077";
        LimitNOFILE = 65536;
        TasksMax = 8192;
      };
    };
  };
}
