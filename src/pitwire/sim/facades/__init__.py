"""Exchange facts to venue bytes and back, one façade a venue. Pure."""
