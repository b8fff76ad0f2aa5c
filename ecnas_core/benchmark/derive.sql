-- How the view `benchmark` follows from the results: one accuracy a cell and budget, one energy scale a space.

create view files as
select * from read_parquet({results});

create view cells as
select
    hash, space, vertices, edges, edge_bits, ops, n_conv3x3, n_conv1x1, n_maxpool3x3, depth, width,
    trainable_parameters, multiply_adds, surrogate_energy_wh_4_epochs, {predicted}
from read_parquet({cells});

create view budgets as
select unnest([4, 12, 36, 108])::smallint as epochs;

-- Where an accuracy is taken from, best first: complete official tables, the mean of three repeats recovered from the
-- search logs, the single repeat of the random sample, EC-NAS's own trainings.
create view accuracy_sources as
select *
from (values
    ('energy_7V9E_surrogate.tfrecord', 1, 3),
    ('energy_5V9E_linscale.tfrecord', 2, 3),
    ('energy_4V9E_linscale.tfrecord', 3, 3),
    ('ec-nas-search-logs', 4, 3),
    ('nasbench101-sample', 5, 1),
    ('energy_4V9E_4epochs.tfrecord', 6, null),
    ('energy_5V9E_4epochs.tfrecord', 7, null),
    ('energy_7V9E_4epochs.tfrecord', 8, null)
) as t(source, rank, repeats_averaged);

create table accuracies as
with by_source as (
    select
        hash, epochs, rank, source,
        any_value(accuracy_provenance) as accuracy_provenance,
        coalesce(any_value(repeats_averaged), count(*))::smallint as accuracy_repeats,
        avg(validation_accuracy) as validation_accuracy,
        stddev_samp(validation_accuracy) as validation_accuracy_std,
        avg(test_accuracy) as test_accuracy,
        avg(training_time_s) filter (where time_provenance = 'published') as training_time_s
    from files join accuracy_sources using (source)
    where official and validation_accuracy is not null
    group by hash, epochs, rank, source
)
select
    hash, epochs,
    arg_min_null(source, rank) as accuracy_source,
    arg_min_null(accuracy_provenance, rank) as accuracy_provenance,
    arg_min_null(accuracy_repeats, rank) as accuracy_repeats,
    arg_min_null(validation_accuracy, rank) as validation_accuracy,
    arg_min_null(validation_accuracy_std, rank) as validation_accuracy_std,
    arg_min_null(test_accuracy, rank) as test_accuracy,
    arg_min(training_time_s, rank) as published_time_s,
    arg_min(source, rank) filter (where training_time_s is not null) as published_time_source
from by_source
group by hash, epochs;

-- 4V: measured at every budget, three repeats.
create view energy_4v as
select
    hash, epochs, source as energy_source, 'measured' as energy_provenance, count(*)::smallint as energy_repeats,
    avg(energy_kwh) as energy_kwh, stddev_samp(energy_kwh) as energy_kwh_std,
    avg(gpu_energy_j) as gpu_energy_j, avg(cpu_energy_j) as cpu_energy_j,
    avg(training_time_s) as training_time_s, stddev_samp(training_time_s) as training_time_s_std
from files
where official and source = 'energy_4V9E_4epochs.tfrecord'
group by hash, epochs, source;

-- 5V: measured at 4 epochs once, scaled linearly beyond.
create view energy_5v as
select
    hash, budgets.epochs, source as energy_source,
    case when budgets.epochs = 4 then 'measured' else 'scaled' end as energy_provenance,
    1::smallint as energy_repeats,
    energy_kwh * budgets.epochs / 4 as energy_kwh, null::double as energy_kwh_std,
    gpu_energy_j * budgets.epochs / 4 as gpu_energy_j,
    cpu_energy_j * budgets.epochs / 4 as cpu_energy_j,
    training_time_s * budgets.epochs / 4 as training_time_s, null::double as training_time_s_std
from files cross join budgets
where official and source = 'energy_5V9E_4epochs.tfrecord' and files.epochs = 4;

create view official_7v as
select hash, epochs, any_value(source) as energy_source, any_value(energy_kwh) as energy_kwh
from files
where official and source = 'energy_7V9E_surrogate.tfrecord'
group by hash, epochs;

-- The predictions, one row a cell and budget.
create view predictions as
{predictions};

create macro finished(energies) as table
select
    hash, epochs,
    vertices, edges, edge_bits, ops, n_conv3x3, n_conv1x1, n_maxpool3x3, depth, width,
    trainable_parameters, multiply_adds,
    energy_kwh, energy_kwh_std, energy_repeats, energy_provenance, energy_source, null::varchar as energy_artefact,
    gpu_energy_j, cpu_energy_j,
    coalesce(validation_accuracy, predicted_accuracy::double) as validation_accuracy, validation_accuracy_std,
    case when validation_accuracy is null then predicted_accuracy_low::double end as validation_accuracy_low,
    case when validation_accuracy is null then predicted_accuracy_high::double end as validation_accuracy_high,
    test_accuracy, accuracy_repeats,
    case
        when validation_accuracy is not null then accuracy_provenance
        when predicted_accuracy is not null then 'predicted'
    end as accuracy_provenance,
    case
        when validation_accuracy is not null then accuracy_source
        when predicted_accuracy is not null then '{source}'
    end as accuracy_source,
    coalesce(training_time_s, published_time_s) as training_time_s,
    training_time_s_std,
    null::double as training_time_s_low, null::double as training_time_s_high,
    case
        when training_time_s is not null then energy_provenance
        when published_time_s is not null then 'published'
    end as time_provenance,
    case when training_time_s is not null then energy_source else published_time_source end as time_source
from query_table(energies)
join cells using (hash)
left join accuracies using (hash, epochs)
left join predictions using (hash, epochs)
order by hash, epochs;
