; Uses of names.

(call_expression function: (identifier) @name) @reference.call
(call_expression function: (member_expression property: [(property_identifier) (private_property_identifier)] @name)) @reference.call
(new_expression constructor: (identifier) @name) @reference.call
(new_expression constructor: (member_expression property: (property_identifier) @name)) @reference.call
(class_heritage (identifier) @name) @reference.implementation
(class_heritage (member_expression property: (property_identifier) @name)) @reference.implementation
(class_heritage (call_expression function: (identifier) @name)) @reference.implementation
(decorator (identifier) @name) @reference.call
(jsx_opening_element name: (identifier) @name) @reference.call
(jsx_opening_element name: (member_expression property: (property_identifier) @name)) @reference.call
(jsx_self_closing_element name: (identifier) @name) @reference.call
(jsx_self_closing_element name: (member_expression property: (property_identifier) @name)) @reference.call
