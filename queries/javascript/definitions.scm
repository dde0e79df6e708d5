; What a JavaScript file defines. See ../README.md for the capture names.

(export_statement declaration: (class_declaration name: (identifier) @name)) @definition.class
(export_statement declaration: (function_declaration name: (identifier) @name)) @definition.function
(export_statement declaration: (generator_function_declaration name: (identifier) @name)) @definition.function
(class_declaration name: (identifier) @name) @definition.class
(function_declaration name: (identifier) @name) @definition.function
(generator_function_declaration name: (identifier) @name) @definition.function

; Members of classes and of object literals that are an API.
(method_definition name: [(property_identifier) (private_property_identifier)] @name) @definition.method
(field_definition
  property: [(property_identifier) (private_property_identifier)] @name
  value: [(arrow_function) (function_expression)]) @definition.method
(class_body (field_definition property: (property_identifier) @name) @definition.attribute)
(object
  (pair key: (property_identifier) @name value: [(arrow_function) (function_expression) (generator_function)])
  @definition.method)

; Variables that hold functions or classes, exported or not.
(export_statement
  (lexical_declaration
    (variable_declarator
      name: (identifier) @name
      value: [(arrow_function) (function_expression) (generator_function)]))) @definition.function
(export_statement
  (lexical_declaration (variable_declarator name: (identifier) @name value: (class)))) @definition.class
(lexical_declaration
  (variable_declarator
    name: (identifier) @name
    value: [(arrow_function) (function_expression) (generator_function)])) @definition.function
(lexical_declaration (variable_declarator name: (identifier) @name value: (class))) @definition.class
(variable_declaration
  (variable_declarator
    name: (identifier) @name
    value: [(arrow_function) (function_expression) (generator_function)])) @definition.function

; The same through a call that wraps it: memo(() => ...), forwardRef(function () { ... }), defineComponent({ ... }).
(export_statement
  (lexical_declaration
    (variable_declarator
      name: (identifier) @name
      value: (call_expression
        arguments: (arguments
          [
            (arrow_function body: (_) @body)
            (function_expression body: (_) @body)
          ]))))) @definition.function

; Functions put where others find them: app.use = function, exports.parse = ..., Shop.prototype.pay = ...
(expression_statement
  (assignment_expression
    left: (member_expression
      object: (identifier) @owner
      property: (property_identifier) @name)
    right: [(arrow_function) (function_expression) (generator_function) (class)])
  (#not-any-of? @owner "exports" "module")) @definition.function
(expression_statement
  (assignment_expression
    left: (member_expression
      object: (member_expression object: (identifier) @owner property: (property_identifier) @_prototype)
      property: (property_identifier) @name)
    right: [(arrow_function) (function_expression) (generator_function)])
  (#eq? @_prototype "prototype")) @definition.function
(expression_statement
  (assignment_expression
    left: (member_expression
      object: (identifier) @_exports
      property: (property_identifier) @name)
    right: [(arrow_function) (function_expression) (generator_function)])
  (#eq? @_exports "exports")) @definition.function
(expression_statement
  (assignment_expression
    left: (member_expression
      object: (identifier) @_exports
      property: (property_identifier) @name)
    right: (class))
  (#eq? @_exports "exports")) @definition.class
(expression_statement
  (assignment_expression
    left: (member_expression
      object: (member_expression object: (identifier) @_module property: (property_identifier) @_exports)
      property: (property_identifier) @name)
    right: [(arrow_function) (function_expression) (generator_function)])
  (#eq? @_module "module")
  (#eq? @_exports "exports")) @definition.function
(expression_statement
  (assignment_expression
    left: (member_expression object: (identifier) @_module property: (property_identifier) @_exports)
    right: [
      (function_expression name: (identifier) @name)
      (class name: (identifier) @name)
    ])
  (#eq? @_module "module")
  (#eq? @_exports "exports")) @definition.function

; What the top of a module binds, other than what it requires.
(program
  (export_statement (lexical_declaration (variable_declarator name: (identifier) @name))) @definition.constant)
(program
  (lexical_declaration (variable_declarator name: (identifier) @name value: (_) @_value)) @definition.constant
  (#not-match? @_value "^(await )?(require|import)\\b"))
(program
  (variable_declaration (variable_declarator name: (identifier) @name value: (_) @_value)) @definition.variable
  (#not-match? @_value "^require\\b"))
