; The tables of a TOML file and the keys before the first of them. See ../README.md for the capture names.

(document (pair . [(bare_key) (quoted_key) (dotted_key)] @name) @definition.key)
(document (table . [(bare_key) (quoted_key) (dotted_key)] @name) @definition.table)
(document (table_array_element . [(bare_key) (quoted_key) (dotted_key)] @name) @definition.table)
