; What a Ruby file defines. See ../README.md for the capture names.

(module name: (constant) @name) @definition.module
(module name: (scope_resolution scope: (_) @owner name: (constant) @name)) @definition.module
(class name: (constant) @name) @definition.class
(class name: (scope_resolution scope: (_) @owner name: (constant) @name)) @definition.class

; What stands between `class << self` and its end belongs to the class around it.
(singleton_class value: (self) (body_statement (method name: (_) @name) @definition.singleton_method))
(method name: (_) @name) @definition.method
(singleton_method object: (self) name: (_) @name) @definition.singleton_method
(singleton_method object: (constant) @owner name: (_) @name) @definition.singleton_method
(alias name: (_) @name) @definition.method

(program (assignment left: (constant) @name) @definition.constant)
(body_statement (assignment left: (constant) @name) @definition.constant)

; Accessors and methods that are defined by a call.
(body_statement
  (call
    method: (identifier) @_accessor
    arguments: (argument_list (simple_symbol) @name)) @definition.attribute
  (#any-of? @_accessor "attr_accessor" "attr_reader" "attr_writer"))
(body_statement
  (call
    method: (identifier) @_definer
    arguments: (argument_list . (simple_symbol) @name)) @definition.method
  (#any-of? @_definer "define_method" "alias_method" "delegate" "scope"))
