; What a page defines: its title, its headings, and the elements that have an id. See ../README.md for the capture names.

((element
  (start_tag
    (attribute
      (attribute_name) @_id
      [(attribute_value) @name (quoted_attribute_value (attribute_value) @name)]))) @definition.element
  (#eq? @_id "id"))
((element (start_tag (tag_name) @_tag) . (text) @name) @definition.heading
  (#match? @_tag "^([hH][1-6]|title)$"))
