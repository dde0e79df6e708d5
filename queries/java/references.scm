; Uses of names.

(method_invocation name: (identifier) @name) @reference.call
(method_reference (identifier) @name .) @reference.call
(object_creation_expression type: (type_identifier) @name) @reference.call
(object_creation_expression type: (generic_type (type_identifier) @name)) @reference.call
(object_creation_expression type: (scoped_type_identifier (type_identifier) @name .)) @reference.call
(superclass (type_identifier) @name) @reference.implementation
(superclass (generic_type (type_identifier) @name)) @reference.implementation
(super_interfaces (type_list (type_identifier) @name)) @reference.implementation
(super_interfaces (type_list (generic_type (type_identifier) @name))) @reference.implementation
(extends_interfaces (type_list (type_identifier) @name)) @reference.implementation
(extends_interfaces (type_list (generic_type (type_identifier) @name))) @reference.implementation
(marker_annotation name: (identifier) @name) @reference.call
(annotation name: (identifier) @name) @reference.call
(formal_parameter type: (type_identifier) @name) @reference.type
(formal_parameter type: (generic_type (type_identifier) @name)) @reference.type
(method_declaration type: (type_identifier) @name) @reference.type
(method_declaration type: (generic_type (type_identifier) @name)) @reference.type
(field_declaration type: (type_identifier) @name) @reference.type
(field_declaration type: (generic_type (type_identifier) @name)) @reference.type
(local_variable_declaration type: (type_identifier) @name) @reference.type
(local_variable_declaration type: (generic_type (type_identifier) @name)) @reference.type
(type_arguments (type_identifier) @name) @reference.type
(cast_expression type: (type_identifier) @name) @reference.type
(class_literal (type_identifier) @name) @reference.type
(throws (type_identifier) @name) @reference.type
