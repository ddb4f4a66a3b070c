/* graphs.c: the graphs that the network is trained with. Reads SMILES, one a line, and writes a
 * line of JSON for each:
 *
 *   {"formula": "C2H6O", "atoms": [[0, 0, 1, …], …], "edges": [[0, 1, 1, 2], [1, 2, 0, 1]]}
 *
 * or null if it cannot be read. So training and the program know molecules from the same code. */
#include "molecule.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_LINE = 4096 };

static float features[MOST_ATOMS * FEATURES];
static int64_t edges[2 * MOST_EDGES];

static void print_atoms(int count) {
  for (int i = 0; i < count; i++) {
    fputs(i ? ", [" : "[", stdout);
    for (int k = 0; k < FEATURES; k++)
      printf(k ? ", %g" : "%g", (double)features[i * FEATURES + k]);
    putchar(']');
  }
}

static void print_ends(const int64_t *ends, int count) {
  for (int i = 0; i < count; i++) printf(i ? ", %d" : "%d", (int)ends[i]);
}

static void print_graph(const Molecule *molecule) {
  char formula[FORMULA_SIZE];
  molecule_formula(molecule, formula);
  molecule_features(molecule, features);
  molecule_edges(molecule, edges);
  printf("{\"formula\": \"%s\", \"atoms\": [", formula);
  print_atoms(molecule->atom_count);
  fputs("], \"edges\": [[", stdout);
  print_ends(edges, 2 * molecule->bond_count);
  fputs("], [", stdout);
  print_ends(edges + 2 * molecule->bond_count, 2 * molecule->bond_count);
  puts("]]}");
}

int main(void) {
  static Molecule molecule;
  char line[LONGEST_LINE];
  while (fgets(line, sizeof line, stdin)) {
    if (!strchr(line, '\n') && !feof(stdin))
      return fputs("graphs: a line is too long\n", stderr), 1;
    line[strcspn(line, "\r\n")] = 0;
    const char *wrong = molecule_read(line, &molecule);
    if (wrong)
      puts("null");
    else
      print_graph(&molecule);
  }
  return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
