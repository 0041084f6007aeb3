SELECT jsonb_build_object('name', name, 'description', description, 'colour', colour, 'minimum_risk', minimum_risk)
       AS definition
FROM environments WHERE id = $1
