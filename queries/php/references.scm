; Uses of names.

(function_call_expression function: (name) @name) @reference.call
(function_call_expression function: (qualified_name (name) @name)) @reference.call
(member_call_expression name: (name) @name) @reference.call
(nullsafe_member_call_expression name: (name) @name) @reference.call
(scoped_call_expression name: (name) @name) @reference.call
(scoped_call_expression scope: (name) @name) @reference.type
(object_creation_expression (name) @name) @reference.call
(object_creation_expression (qualified_name (name) @name)) @reference.call
(attribute (name) @name) @reference.call
(base_clause (name) @name) @reference.implementation
(base_clause (qualified_name (name) @name)) @reference.implementation
(class_interface_clause (name) @name) @reference.implementation
(class_interface_clause (qualified_name (name) @name)) @reference.implementation
(use_declaration (name) @name) @reference.implementation
(use_declaration (qualified_name (name) @name)) @reference.implementation
(named_type (name) @name) @reference.type
(named_type (qualified_name (name) @name)) @reference.type
(class_constant_access_expression . (name) @name) @reference.type
