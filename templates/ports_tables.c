//$ # ports_tables.c: the tables that the model's descriptor points to
//$ if inputs
static const ctc_port $model_inputs[] = {
//$ for port in inputs
    {$port.literal, $port.code, $port.rank, $port.note_literal},
//$ end
};
//$ end
static const ctc_port $model_outputs[] = {
//$ for port in outputs
    {$port.literal, $port.code, $port.rank, $port.note_literal},
//$ end
};
//$ if compounds
static const ctc_compound $model_compounds[] = {
//$ for compound in compounds
    {$compound.literal, $compound.kind, $compound.output, $compound.first},
//$ end
};
//$ end
//$ if dims
static const ctc_dim_info $model_dims[] = {
//$ for dim in dims
    {$dim.literal, $dim.low, $dim.high, $dim.kind},
//$ end
};
//$ end
