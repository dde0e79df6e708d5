; Uses of components; the rest is as in TypeScript.

(jsx_opening_element name: (identifier) @name) @reference.call
(jsx_opening_element name: (member_expression property: (property_identifier) @name)) @reference.call
(jsx_self_closing_element name: (identifier) @name) @reference.call
(jsx_self_closing_element name: (member_expression property: (property_identifier) @name)) @reference.call
