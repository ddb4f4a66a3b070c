/* main.c: predicts boiling points of molecules, written as SMILES.
 *
 *   molecules SMILES …      or, with no arguments, one a line of standard input
 *
 * The network (compiled to boiling.c) takes any number of atoms and of bonds, here up to those of
 * molecule.h, so that all its memory is known beforehand: there is no malloc in this program. */
#include "boiling.h"
#include "molecule.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_LINE = 4096 };

/* The boiling point in kelvins; a status of boiling.h. */
static int predict(const Molecule *molecule, float *kelvins) {
  static float atoms[MOST_ATOMS * FEATURES];
  static int64_t edges[2 * MOST_EDGES];
  const int64_t starts[BOILING_IN_STARTS_ELEMENTS] = {0, molecule->atom_count};
  int64_t dims[BOILING_DIM_COUNT] = {0};
  dims[BOILING_DIM_ATOMS] = molecule->atom_count;
  dims[BOILING_DIM_EDGES] = 2 * molecule->bond_count;
  molecule_features(molecule, atoms);
  molecule_edges(molecule, edges);
  return boiling_run_static(atoms, edges, starts, kelvins, dims);
}

/* Whether there was an answer. */
static int answer(const char *smiles) {
  static Molecule molecule;
  char formula[FORMULA_SIZE];
  float kelvins = 0;
  const char *wrong = molecule_read(smiles, &molecule);
  if (!wrong) {
    const int status = predict(&molecule, &kelvins);
    if (status != BOILING_OK) wrong = boiling_status_text(status);
  }
  if (wrong) return fprintf(stderr, "molecules: %s: %s\n", smiles, wrong), 0;
  molecule_formula(&molecule, formula);
  printf("%-32s %-12s %7.2f K %8.2f °C\n", smiles, formula, (double)kelvins,
         (double)kelvins - 273.15);
  return 1;
}

int main(int argc, char **argv) {
  int good = 1;
  for (int i = 1; i < argc; i++) good &= answer(argv[i]);
  char line[LONGEST_LINE];
  while (argc < 2 && fgets(line, sizeof line, stdin)) {
    if (!strchr(line, '\n') && !feof(stdin))
      return fputs("molecules: a line is too long\n", stderr), 1;
    line[strcspn(line, "\r\n")] = 0;
    good &= answer(line);
  }
  return good ? 0 : 1;
}
