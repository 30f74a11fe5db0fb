# Values for services.fjmcp-broker: `all` sets each option to something, `good` must be taken, `bad` refused.
{ pkgs }:
{
  all = {
    publicUrl = "https://mcp.example.org";
    forgejoUrl = "https://forgejo.example.org/git%20hub";
    forgejoInternalUrl = "http://127.0.0.1:3000";
    forgejoClientId = "6f1c1c2e-8a1b-4c52-9d3e-0a4f6f6c7d11";
    forgejoScopes = [ "openid" "read:user" "write:issue" ];
    scopeMismatch = "warn";
    listen = "[::1]:9000";
    childCommand = "forgejo-mcp --transport stdio";
    childPreset = "forgejo-mcp";
    childTokenVariable = "FORGEJO_ACCESS_TOKEN";
    childStateful = false;
    childInteractive = true;
    sandbox = "basic";
    maxSessions = 100;
    maxSessionsPerUser = 10;
    maxCallsPerSession = 16;
    maxStarts = 4;
    maxStartsPerMinute = 20;
    maxParked = 8;
    startTimeout = "10s";
    sessionIdle = "5m";
    streamIdle = "1h";
    sessionKeep = "3d";
    callTimeout = "1m";
    callTimeoutMax = "10m";
    drainGrace = "2m";
    headersTimeout = "5s";
    bodyTimeout = "10s";
    maxBody = "1MiB";
    maxLine = 1048576;
    maxJsonDepth = 32;
    unknownSessionStatus = 404;
    sessionless = "reject";
    allowedOrigins = [ "https://inspector.example.org" "https://other.example.org" ];
    redirectSchemes = [ "com.example.app" ];
    refreshGrace = "1m";
    logLevel = "debug";
    logFormat = "pretty";
    dataDir = "/var/lib/mcp";
  };

  good = {
    "nothing but the example" = { };
    "a key that the broker makes" = { sealingKeyFile = null; };
    "another program with its path" = { childPackage = null; childCommand = "/run/current-system/sw/bin/gitea-mcp -t stdio"; };
  };

  bad = {
    "a number as a text" = { maxSessions = "many"; };
    "a number of nothing" = { maxSessions = 0; };
    "a duration without a unit" = { sessionIdle = "15"; };
    "a word that is none of the choices" = { logLevel = "loud"; };
    "a status that is none of the two" = { unknownSessionStatus = 403; };
    "an address without a scheme" = { forgejoUrl = "forgejo.example.org"; };
    "a port without an address" = { listen = "8080"; };
    "a secret in the store" = { forgejoClientSecretFile = "${builtins.storeDir}/00000000000000000000000000000000-secret"; };
    "a secret's path as a Nix path" = { forgejoClientSecretFile = ./cases.nix; };
    "a key in the store" = { sealingKeyFile = "${builtins.storeDir}/00000000000000000000000000000000-key"; };
    "data outside of /var/lib" = { dataDir = "/srv/mcp"; };
    "no client id" = { forgejoClientId = null; };
    "an old forgejo-mcp" = { childPackage = pkgs.forgejo-mcp // { version = "2.29.0"; }; };
    "no program at all" = { childPackage = null; };
    "a setting that there is not" = { sessionIdel = "5m"; };
  };
}
