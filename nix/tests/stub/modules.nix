# evalModules as far as we need it: imports, options, mkIf, mkDefault, types, required options, and definitions of options that
# nobody has declared.
{ lib }:
let
  isOption = value: builtins.isAttrs value && value._type or null == "option";
  isMarked = value: builtins.isAttrs value && value ? _type;

  mergeTrees =
    a: b:
    a // builtins.mapAttrs (name: value: if a ? ${name} && !isOption value then mergeTrees a.${name} value else value) b;

  # What a definition has at a path. A condition is looked at only where there is something: it may depend on other options.
  at =
    path: value:
    if isMarked value && value._type == "if" then
      map (found: found // { condition = found.condition && value.condition; }) (at path value.content)
    else if path == [ ] then
      [ { condition = true; inherit value; } ]
    else if builtins.isAttrs value && value ? ${builtins.head path} then
      at (builtins.tail path) value.${builtins.head path}
    else
      [ ];

  # Names in a definition that lead to no option.
  unknown =
    path: options: value:
    if isMarked value && value._type == "if" then
      unknown path options value.content
    else
      builtins.concatLists (
        map (
          name:
          if !(options ? ${name}) then
            [ (builtins.concatStringsSep "." (path ++ [ name ])) ]
          else if isOption options.${name} then
            [ ]
          else
            unknown (path ++ [ name ]) options.${name} value.${name}
        ) (builtins.attrNames value)
      );
in
{
  evalModules =
    { modules, pkgs }:
    let
      load =
        module:
        let
          imported = if builtins.isPath module then import module else module;
          called = if builtins.isFunction imported then imported { inherit config lib pkgs; } else imported;
        in
        builtins.concatLists (map load (called.imports or [ ]))
        ++ [
          {
            options = called.options or { };
            config = if called ? config || called ? options then called.config or { } else removeAttrs called [ "imports" ];
          }
        ];
      loaded = builtins.concatLists (map load modules);
      options = builtins.foldl' mergeTrees { } (map (module: module.options) loaded);

      valueOf =
        path: option:
        let
          name = builtins.concatStringsSep "." path;
          found = builtins.filter (definition: definition.condition) (
            builtins.concatLists (map (module: at path module.config) loaded)
          );
          plain = builtins.filter (definition: !isMarked definition.value) found;
          weak = builtins.filter (definition: isMarked definition.value) found;
          values = map (definition: definition.value) plain;
          value =
            if values == [ ] then
              if weak != [ ] then
                (builtins.head weak).value.content
              else
                option.default or (throw "The option ${name} is used but not defined")
            else if option.type ? merge then
              option.type.merge values
            else if builtins.length values > 1 then
              throw "The option ${name} is defined twice"
            else
              builtins.head values;
        in
        if option.type.check value then value else throw "${name} is not of type ${option.type.name}";

      tree = path: builtins.mapAttrs (name: value: if isOption value then valueOf (path ++ [ name ]) value else tree (path ++ [ name ]) value);
      strangers = builtins.concatLists (map (module: unknown [ ] options module.config) loaded);
      config = tree [ ] options;
    in
    {
      inherit options;
      config = if strangers == [ ] then config else throw "There are no options ${builtins.concatStringsSep ", " strangers}";
    };
}
