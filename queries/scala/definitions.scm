; What a Scala file defines. See ../README.md for the capture names.

(class_definition name: (identifier) @name) @definition.class
(object_definition name: (identifier) @name) @definition.object
(package_object name: (identifier) @name) @definition.object
(trait_definition name: (identifier) @name) @definition.trait
(enum_definition name: (identifier) @name) @definition.enum
(package_clause name: (package_identifier) @container body: (_)) @definition.module

(function_definition name: (identifier) @name) @definition.function
(function_definition name: (operator_identifier) @name) @definition.function
(function_declaration name: (identifier) @name) @definition.function
(function_declaration name: (operator_identifier) @name) @definition.function
(type_definition name: (type_identifier) @name) @definition.type
(given_definition name: (identifier) @name) @definition.given
(simple_enum_case name: (identifier) @name) @definition.constant
(full_enum_case name: (identifier) @name) @definition.constant

; An extension lends the name of its type to its members.
(extension_definition
  parameters: (parameters . (parameter type: (type_identifier) @container))) @definition.extension
(extension_definition
  parameters: (parameters . (parameter type: (generic_type type: (type_identifier) @container)))) @definition.extension

; Values of a file or a class, not those of a function.
(compilation_unit (val_definition pattern: (identifier) @name) @definition.value)
(compilation_unit (var_definition pattern: (identifier) @name) @definition.variable)
(template_body [
  (val_definition pattern: (identifier) @name) @definition.value
  (var_definition pattern: (identifier) @name) @definition.variable
  (val_declaration) @definition.value
  (var_declaration) @definition.variable
])
(with_template_body (val_definition pattern: (identifier) @name) @definition.value)
(enum_body (val_definition pattern: (identifier) @name) @definition.value)
(class_definition
  "case" class_parameters: (class_parameters (class_parameter name: (identifier) @name) @definition.attribute))
(class_parameter ["val" "var"] name: (identifier) @name) @definition.attribute
