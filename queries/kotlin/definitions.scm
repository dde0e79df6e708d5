; What a Kotlin file defines. See ../README.md for the capture names.

(class_declaration "interface" name: (identifier) @name (class_body)? @body) @definition.interface
(class_declaration name: (identifier) @name (enum_class_body) @body) @definition.enum
(class_declaration name: (identifier) @name (class_body)? @body) @definition.class
(object_declaration name: (identifier) @name (class_body)? @body) @definition.object
(type_alias type: (identifier) @name) @definition.type

; A companion without a name adds nothing to the name of the class; one with a name does.
(companion_object name: (identifier) @name (class_body)? @body) @definition.object

; An extension belongs to its receiver.
(function_declaration
  (user_type) @owner . name: (identifier) @name
  (function_body)? @body) @definition.function
(function_declaration
  (nullable_type (user_type) @owner) . name: (identifier) @name
  (function_body)? @body) @definition.function
(function_declaration name: (identifier) @name (function_body)? @body) @definition.function
(secondary_constructor "constructor" @name (block)? @body) @definition.constructor

; Properties of a file or a class, not the variables of a function.
(source_file
  (property_declaration
    (user_type) @owner . (variable_declaration . (identifier) @name)) @definition.accessor)
(source_file (property_declaration (variable_declaration . (identifier) @name) (getter)) @definition.accessor)
(source_file (property_declaration "val" (variable_declaration . (identifier) @name)) @definition.constant)
(source_file (property_declaration (variable_declaration . (identifier) @name)) @definition.variable)
(class_body (property_declaration (variable_declaration . (identifier) @name) (getter)) @definition.accessor)
(class_body (property_declaration (variable_declaration . (identifier) @name)) @definition.property)
(enum_class_body (property_declaration (variable_declaration . (identifier) @name)) @definition.property)
(class_parameter ["val" "var"] . (identifier) @name) @definition.property
(enum_entry (identifier) @name (class_body)? @body) @definition.constant
