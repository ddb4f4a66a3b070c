//$ # ports_macros.h: what a header says of the model's inputs, outputs and dims
//$ if dims
/* Entries of dims[]. */
enum {
//$ for dim in dims
  $dim.macro = $dim.index, /* $dim.comment */
//$ end
  $NAME_DIM_COUNT = $dim_count
};

//$ end
/* Inputs: */
//$ for port in inputs
/*   $port.name: $port.type */
//$ if port.elements
#define $port.macro_ELEMENTS $port.elements
//$ end
//$ end
/* Outputs: */
//$ for port in outputs
/*   $port.name: $port.type$port.note */
//$ if port.elements
#define $port.macro_ELEMENTS $port.elements
//$ end
//$ end
