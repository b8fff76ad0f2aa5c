-- The public views over the Parquet files; layout.py fills in the files.

create or replace view cells as
select
    hash, space, vertices, edges, edge_bits, ops, n_conv3x3, n_conv1x1, n_maxpool3x3, depth, width,
    trainable_parameters, multiply_adds
from read_parquet({7V});

-- What 4V, measured at every budget, tells of "4 epochs times 3, 9, 27": one row a budget, means over its cells. `energy`
-- and `time`: measured by scaled. `kwh_per_s` and `gpu_j_per_s`: measured by scaled seconds, the better way where the time
-- of the 4-epoch training is known, for in long trainings the cells draw the same power (analysis/scaling.py).
create or replace table _scaling as
select
    trained.epochs,
    avg(trained.energy_kwh / (short.energy_kwh * trained.epochs / 4)) as energy,
    avg(trained.training_time_s / (short.training_time_s * trained.epochs / 4)) as time,
    avg(trained.energy_kwh / (short.training_time_s * trained.epochs / 4)) as kwh_per_s,
    avg(trained.gpu_energy_j / (short.training_time_s * trained.epochs / 4)) as gpu_j_per_s
from read_parquet({4V}) as trained join read_parquet({4V}) as short using (hash)
where short.epochs = 4 and trained.energy_provenance = 'measured' and short.energy_provenance = 'measured'
group by trained.epochs;

-- One row a space, cell and budget. A space keeps one energy scale: 4V and 5V their measurements, 7V the surrogate.
create or replace view _stored as
select '4V' as space, * rename (file_row_number as row) from read_parquet({4V}, file_row_number = true)
union all by name
select '5V' as space, * rename (file_row_number as row) from read_parquet({5V}, file_row_number = true)
{unfolded_7V};

-- Beside each figure the factor that corrects it where it is the 4-epoch one times epochs / 4: scaled figures, and the
-- surrogate's energies, which come without a time and for which 4V's mean ratio is an extrapolation to another energy
-- scale. 1 where nothing was scaled, null where 4V does not tell.
create or replace view _rows as
select
    _stored.*,
    case
        when epochs = 4 then 1
        when energy_provenance = 'surrogate' then _scaling.energy
        when energy_provenance <> 'scaled' then 1
        when time_provenance = 'scaled' then _scaling.kwh_per_s * training_time_s / energy_kwh
    end as energy_correction,
    case
        when epochs = 4 or energy_provenance <> 'scaled' then 1
        when time_provenance = 'scaled' then _scaling.gpu_j_per_s * training_time_s / gpu_energy_j
    end as gpu_energy_correction,
    case when epochs > 4 and time_provenance = 'scaled' then _scaling.time else 1 end as time_correction,
    null::double as energy_kwh_low, null::double as energy_kwh_high,
    null::double as gpu_energy_j_low, null::double as gpu_energy_j_high
from _stored left join _scaling using (epochs);

create or replace view benchmark as
select * exclude (row, energy_kwh_low, energy_kwh_high, gpu_energy_j_low, gpu_energy_j_high) from _rows;

-- The same without what this project's models predict.
create or replace view _known as
select
    * replace (
        case when accuracy_provenance <> 'predicted' then validation_accuracy end as validation_accuracy,
        null::double as validation_accuracy_low,
        null::double as validation_accuracy_high,
        nullif(accuracy_provenance, 'predicted') as accuracy_provenance,
        case when accuracy_provenance <> 'predicted' then accuracy_source end as accuracy_source,
        case when time_provenance <> 'predicted' then training_time_s end as training_time_s,
        null::double as training_time_s_low,
        null::double as training_time_s_high,
        nullif(time_provenance, 'predicted') as time_provenance,
        case when time_provenance <> 'predicted' then time_source end as time_source
    )
from _rows;

-- Every published or ingested result; the published 7V surrogate is computed from its 4-epoch value.
create or replace view results as
{results}
union all by name
select
    hash, epochs, energy_source as source, true as official, energy_kwh, 1.59::double as pue, energy_provenance
from _stored
where space = '7V' and energy_source = 'ec-nas-surrogate';

create or replace view measurements as
{measurements};

create or replace view _devices as
{devices};

-- `_rows` or `_known` with the energies that are predicted for a calibrated device: those of 4 epochs, scaled linearly.
create or replace macro _on_device(name, base) as table
select
    rows.* replace (
        predicted.energy_kwh::double * rows.epochs / 4 as energy_kwh,
        null::double as energy_kwh_std,
        predicted.energy_kwh_low::double * rows.epochs / 4 as energy_kwh_low,
        predicted.energy_kwh_high::double * rows.epochs / 4 as energy_kwh_high,
        null::smallint as energy_repeats,
        'predicted' as energy_provenance,
        name as energy_source,
        null::varchar as energy_artefact,
        predicted.gpu_energy_j::double * rows.epochs / 4 as gpu_energy_j,
        predicted.gpu_energy_j_low::double * rows.epochs / 4 as gpu_energy_j_low,
        predicted.gpu_energy_j_high::double * rows.epochs / 4 as gpu_energy_j_high,
        null::double as cpu_energy_j,
        _scaling.energy as energy_correction,
        _scaling.energy as gpu_energy_correction
    )
from query_table(base) as rows
join _devices as predicted on predicted.space = rows.space and predicted.row = rows.row
left join _scaling on _scaling.epochs = rows.epochs
where predicted.device = name;

-- The published searches and the users', last: files are added to them most often, and only what follows is made anew.
create or replace view evaluations as
{runs};

create or replace view runs as
select
    study, space, algorithm, trial, source,
    count(distinct evaluation) as evaluations, -- a query that is not charged has the number of the last one that is
    count(*) filter (where not valid) as invalid,
    count(distinct hash) as cells,
    min(energy_kwh) as least_energy_kwh,
    max(validation_accuracy) as best_validation_accuracy
from evaluations
group by study, space, algorithm, trial, source;
