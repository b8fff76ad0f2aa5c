-- The public views over the Parquet files; layout.py fills in the files.

create or replace view cells as
select
    hash, space, vertices, edges, edge_bits, ops, n_conv3x3, n_conv1x1, n_maxpool3x3, depth, width,
    trainable_parameters, multiply_adds
from read_parquet({7V});

-- One row a space, cell and budget. A space keeps one energy scale: 4V and 5V their measurements, 7V the surrogate.
create or replace view _rows as
select '4V' as space, * rename (file_row_number as row) from read_parquet({4V}, file_row_number = true)
union all by name
select '5V' as space, * rename (file_row_number as row) from read_parquet({5V}, file_row_number = true)
{unfolded_7V};

create or replace view benchmark as
select * exclude (row) from _rows;

-- Every published or ingested result; the published 7V surrogate is computed from its 4-epoch value.
create or replace view results as
{results}
union all by name
select
    hash, epochs, energy_source as source, true as official, energy_kwh, 1.59::double as pue, energy_provenance
from benchmark
where space = '7V' and energy_source = 'ec-nas-surrogate';

-- What users made, and the published searches.
create or replace view evaluations as
{runs};

create or replace view runs as
select
    study, space, algorithm, trial, source,
    count(*) as evaluations,
    count(*) filter (where not valid) as invalid,
    count(distinct hash) as cells,
    min(energy_kwh) as least_energy_kwh,
    max(validation_accuracy) as best_validation_accuracy
from evaluations
group by study, space, algorithm, trial, source;

create or replace view measurements as
{measurements};
