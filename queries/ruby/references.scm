; Uses of names.

(call method: (identifier) @name) @reference.call
(call method: (constant) @name) @reference.call
(call receiver: (constant) @name) @reference.type
(call receiver: (scope_resolution name: (constant) @name)) @reference.type
(superclass (constant) @name) @reference.implementation
(superclass (scope_resolution name: (constant) @name)) @reference.implementation
(call
  method: (identifier) @_mixin
  arguments: (argument_list (constant) @name)
  (#any-of? @_mixin "include" "extend" "prepend")) @reference.implementation
(call
  method: (identifier) @_mixin
  arguments: (argument_list (scope_resolution name: (constant) @name))
  (#any-of? @_mixin "include" "extend" "prepend")) @reference.implementation
