; Uses of names.

(call_expression function: (identifier) @name) @reference.call
(call_expression function: (field_expression field: (field_identifier) @name)) @reference.call
(call_expression function: (field_expression field: (template_method name: (field_identifier) @name))) @reference.call
(call_expression function: (qualified_identifier name: (identifier) @name)) @reference.call
(call_expression function: (qualified_identifier name: (qualified_identifier name: (identifier) @name))) @reference.call
(call_expression function: (template_function name: (identifier) @name)) @reference.call
(call_expression function: (qualified_identifier name: (template_function name: (identifier) @name))) @reference.call
(new_expression type: (type_identifier) @name) @reference.call
(base_class_clause (type_identifier) @name) @reference.implementation
(base_class_clause (qualified_identifier name: (type_identifier) @name)) @reference.implementation
(base_class_clause (template_type name: (type_identifier) @name)) @reference.implementation
(parameter_declaration type: (type_identifier) @name) @reference.type
(parameter_declaration type: (qualified_identifier name: (type_identifier) @name)) @reference.type
(parameter_declaration type: (template_type name: (type_identifier) @name)) @reference.type
(declaration type: (type_identifier) @name) @reference.type
(declaration type: (qualified_identifier name: (type_identifier) @name)) @reference.type
(declaration type: (template_type name: (type_identifier) @name)) @reference.type
(field_declaration type: (type_identifier) @name) @reference.type
(field_declaration type: (qualified_identifier name: (type_identifier) @name)) @reference.type
(field_declaration type: (template_type name: (type_identifier) @name)) @reference.type
(function_definition type: (type_identifier) @name) @reference.type
(function_definition type: (qualified_identifier name: (type_identifier) @name)) @reference.type
(type_descriptor type: (type_identifier) @name) @reference.type
(type_descriptor type: (qualified_identifier name: (type_identifier) @name)) @reference.type
