; The keys of a JSON file: those at the top, and sections one level below. Deeper ones would be a flood of names. See ../README.md for the capture names.

(document (object (pair key: (string (string_content) @name)) @definition.key))
(document
  (object
    (pair
      value: (object
        (pair key: (string (string_content) @name) value: [(object) (array)]) @definition.key))))
