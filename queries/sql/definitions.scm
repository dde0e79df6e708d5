; What an SQL file defines. See ../README.md for the capture names.

(create_table
  (object_reference schema: (identifier)? @owner name: (identifier) @name)
  (column_definitions)? @body) @definition.table
(create_view
  (object_reference schema: (identifier)? @owner name: (identifier) @name)
  (create_query)? @body) @definition.view
(create_materialized_view
  (object_reference schema: (identifier)? @owner name: (identifier) @name)
  (create_query)? @body) @definition.view
(create_function
  (keyword_function) . (object_reference name: (identifier) @name)
  (function_body)? @body) @definition.function
(create_index column: (identifier) @name) @definition.index
(create_trigger (keyword_trigger) . (object_reference name: (identifier) @name)) @definition.trigger
(create_type (object_reference schema: (identifier)? @owner name: (identifier) @name)) @definition.type
(create_sequence (object_reference schema: (identifier)? @owner name: (identifier) @name)) @definition.sequence
(create_schema (identifier) @name) @definition.schema

; Columns belong to their table, those that come later too.
(create_table (column_definitions (column_definition name: (identifier) @name) @definition.attribute))
(alter_table
  (object_reference name: (identifier) @owner)
  (add_column (column_definition name: (identifier) @name)) @definition.attribute)
