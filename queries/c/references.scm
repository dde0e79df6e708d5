; Uses of names.

(call_expression function: (identifier) @name) @reference.call
(call_expression function: (field_expression field: (field_identifier) @name)) @reference.call
(parameter_declaration type: (type_identifier) @name) @reference.type
(parameter_declaration type: (struct_specifier name: (type_identifier) @name)) @reference.type
(declaration type: (type_identifier) @name) @reference.type
(declaration type: (struct_specifier name: (type_identifier) @name !body)) @reference.type
(field_declaration type: (type_identifier) @name) @reference.type
(field_declaration type: (struct_specifier name: (type_identifier) @name !body)) @reference.type
(function_definition type: (type_identifier) @name) @reference.type
(type_descriptor type: (type_identifier) @name) @reference.type
(type_descriptor type: (struct_specifier name: (type_identifier) @name)) @reference.type
