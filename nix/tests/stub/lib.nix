# The functions of nixpkgs' lib that our files use, with its meaning. What is not here is an error, as a misspelt name should be.
let
  inherit (builtins) concatStringsSep elemAt filter genList isString length listToAttrs map match replaceStrings split stringLength substring;
in
rec {
  inherit (builtins) concatStringsSep listToAttrs replaceStrings;

  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: make: listToAttrs (map (name: nameValuePair name (make name)) names);
  importJSON = file: builtins.fromJSON (builtins.readFile file);
  optional = condition: value: if condition then [ value ] else [ ];
  optionalString = condition: value: if condition then value else "";
  boolToString = value: if value then "true" else "false";
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasInfix = part: text: length (splitString part text) > 1;
  removePrefix = prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  splitString = separator: text: filter isString (split (builtins.replaceStrings [ "|" "." ] [ "\\|" "\\." ] separator) text);
  toInt = text: builtins.fromJSON (if match "[0-9]+" text == null then throw "not a number: ${text}" else text);
  escapeShellArg = text: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  versionOlder = a: b: builtins.compareVersions a b < 0;
  getVersion = package: package.version;
  getName = package: package.pname;
  getExe = package: "${package}/bin/${package.meta.mainProgram}";
  makeBinPath = packages: concatStringsSep ":" (map (package: "${package}/bin") packages);

  licenses.mit = "mit";
  fetchers.proxyImpureEnvVars = [ "http_proxy" "https_proxy" "no_proxy" ];

  # Only of paths, as we use it: each has to exist, and what is below root and in none of them stays out.
  fileset = {
    unions = map (path: if builtins.pathExists path then toString path else throw "lib.fileset.unions: ${toString path} does not exist");
    toSource =
      { root, fileset }:
      builtins.path {
        name = "source";
        path = root;
        filter =
          path: _:
          builtins.any (wanted: path == wanted || hasPrefix "${wanted}/" path || hasPrefix "${path}/" wanted) (
            builtins.deepSeq fileset fileset
          );
      };
  };

  mkOption = option: option // { _type = "option"; };
  mkEnableOption = description: mkOption {
    type = {
      name = "bool";
      check = builtins.isBool;
    };
    default = false;
    inherit description;
  };
  literalMD = text: { inherit text; _type = "literalMD"; };
  literalExpression = text: { inherit text; _type = "literalExpression"; };
  mkIf = condition: content: { inherit condition content; _type = "if"; };
  mkDefault = content: { inherit content; priority = 1000; _type = "override"; };
}
