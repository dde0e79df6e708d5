; Uses of tables and functions.

(invocation (object_reference name: (identifier) @name)) @reference.call
(relation (object_reference name: (identifier) @name)) @reference.type
(insert (object_reference name: (identifier) @name)) @reference.type
(alter_table (object_reference name: (identifier) @name)) @reference.type
(column_definition (object_reference name: (identifier) @name)) @reference.type
(create_index (object_reference name: (identifier) @name)) @reference.type
(create_trigger (keyword_on) . (object_reference name: (identifier) @name)) @reference.type
(create_trigger (object_reference name: (identifier) @name) .) @reference.call
