; What a style sheet defines: rules under their selectors, custom properties, animations. See ../README.md for the capture names.

(rule_set (selectors) @name (block) @body) @definition.rule
(keyframes_statement (keyframes_name) @name (keyframe_block_list) @body) @definition.keyframes
((declaration (property_name) @name) @definition.property
  (#match? @name "^--"))
