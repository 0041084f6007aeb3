SELECT o.id, o.name, jsonb_build_object('name', o.name, 'description', o.description, 'colour', o.colour,
           'minimum_risk', o.minimum_risk) AS definition
FROM environments o
