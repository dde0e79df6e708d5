; Uses of names.

(call_expression function: (identifier) @name) @reference.call
(call_expression function: (field_expression field: (identifier) @name)) @reference.call
(call_expression function: (generic_function function: (identifier) @name)) @reference.call
(call_expression function: (generic_function function: (field_expression field: (identifier) @name))) @reference.call
(infix_expression operator: (identifier) @name) @reference.call
(instance_expression (type_identifier) @name) @reference.call
(instance_expression (generic_type type: (type_identifier) @name)) @reference.call
(annotation name: (type_identifier) @name) @reference.call
(extends_clause type: (type_identifier) @name) @reference.implementation
(extends_clause type: (generic_type type: (type_identifier) @name)) @reference.implementation
(parameter type: (type_identifier) @name) @reference.type
(parameter type: (generic_type type: (type_identifier) @name)) @reference.type
(class_parameter type: (type_identifier) @name) @reference.type
(class_parameter type: (generic_type type: (type_identifier) @name)) @reference.type
(function_definition return_type: (type_identifier) @name) @reference.type
(function_definition return_type: (generic_type type: (type_identifier) @name)) @reference.type
(val_definition type: (type_identifier) @name) @reference.type
(val_definition type: (generic_type type: (type_identifier) @name)) @reference.type
(type_arguments (type_identifier) @name) @reference.type
