; What a Haskell file defines. See ../README.md for the capture names.

(header module: (module) @name) @definition.module
(data_type name: (_) @name) @definition.data
(newtype name: (_) @name) @definition.newtype
(type_synonym name: (_) @name) @definition.type
(type_family name: (_) @name) @definition.type
(data_family name: (_) @name) @definition.type
(class name: (_) @name "where"? @body) @definition.class

; An instance is known by its class and the type that it is for.
(instance name: (_) @owner patterns: (_) @name "where"? @body) @definition.instance

(data_constructor constructor: (prefix name: (constructor) @name)) @definition.variant
(data_constructor constructor: (record name: (constructor) @name)) @definition.variant
(data_constructor constructor: (infix operator: (constructor_operator) @name)) @definition.variant
(newtype_constructor name: (constructor) @name) @definition.variant
(gadt_constructor name: (constructor) @name) @definition.variant
(field name: (field_name (variable) @name)) @definition.attribute

; A signature and the equations below it are one definition.
(declarations
  [
    (signature name: [(variable) @name (prefix_id (operator) @name)])
    (signature names: (binding_list [(variable) @name (prefix_id (operator) @name)]))
    (function name: [(variable) @name (prefix_id (operator) @name)] match: (_) @body)
    (function (infix operator: [(operator) @name (infix_id (variable) @name)]) match: (_) @body)
    (bind name: (variable) @name match: (_) @body)
  ] @definition.function @clause)
(class_declarations
  [
    (signature name: [(variable) @name (prefix_id (operator) @name)])
    (signature names: (binding_list [(variable) @name (prefix_id (operator) @name)]))
    (function name: [(variable) @name (prefix_id (operator) @name)] match: (_) @body)
    (function (infix operator: [(operator) @name (infix_id (variable) @name)]) match: (_) @body)
    (bind name: (variable) @name match: (_) @body)
  ] @definition.method @clause)
(instance_declarations
  [
    (signature name: [(variable) @name (prefix_id (operator) @name)])
    (function name: [(variable) @name (prefix_id (operator) @name)] match: (_) @body)
    (function (infix operator: [(operator) @name (infix_id (variable) @name)]) match: (_) @body)
    (bind name: (variable) @name match: (_) @body)
  ] @definition.method @clause)
(foreign_import (signature name: (variable) @name)) @definition.function
(pattern_synonym (signature synonym: (constructor) @name)) @definition.pattern @clause
(pattern_synonym (equation synonym: (constructor) @name)) @definition.pattern @clause
