; Scripts and styles. A `lang` says what they are; data and templates in scripts are left alone.

((script_element
  (start_tag (attribute (attribute_name) @_lang (quoted_attribute_value (attribute_value) @injection.language)))
  (raw_text) @injection.content)
  (#eq? @_lang "lang"))
((script_element (start_tag) @_tag (raw_text) @injection.content)
  (#not-match? @_tag "type=.?[a-z]+/(.*json|x-|html|template|plain)|type=.?(importmap|speculationrules)")
  (#set! injection.language "javascript"))
((style_element
  (start_tag (attribute (attribute_name) @_lang (quoted_attribute_value (attribute_value) @injection.language)))
  (raw_text) @injection.content)
  (#eq? @_lang "lang"))
((style_element (start_tag) @_tag (raw_text) @injection.content)
  (#not-match? @_tag "lang=")
  (#set! injection.language "css"))
