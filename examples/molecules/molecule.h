/* molecule.h: a molecule as a graph, read from SMILES, and what a network is told of it. */
#ifndef MOLECULE_H
#define MOLECULE_H

#include <stdint.h>

/* A bond is two edges, there and back. */
enum { MOST_ATOMS = 128, MOST_BONDS = 160, MOST_EDGES = 2 * MOST_BONDS };

/* One for the element (of a table in molecule.c); hydrogens, multiple bonds, charge, ring. */
enum { ELEMENTS = 12, FEATURES = ELEMENTS + 4 };

typedef struct {
  int element, charge;
  int hydrogens; /* -1 while it is unknown: as many as the valence leaves */
  int aromatic;  /* written in lower case */
  int degree;    /* how many bonds it has, */
  int order;     /* and the sum of their orders */
} Atom;

typedef struct {
  int a, b, order;
} Bond;

typedef struct {
  Atom atoms[MOST_ATOMS];
  Bond bonds[MOST_BONDS];
  int atom_count, bond_count;
} Molecule;

/* Reads a SMILES text: one molecule, no isotopes; what tells left from right is passed over. NULL,
 * or what is wrong with it. */
const char *molecule_read(const char *smiles, Molecule *molecule);

/* "C2H6O": carbon, hydrogen, then the others by the alphabet (Hill's order). */
enum { FORMULA_SIZE = 5 * ELEMENTS + 1 };
void molecule_formula(const Molecule *molecule, char formula[FORMULA_SIZE]);

/* features[atom_count][FEATURES] */
void molecule_features(const Molecule *molecule, float *features);

/* edges[2][2 * bond_count]: from which atom, to which atom. */
void molecule_edges(const Molecule *molecule, int64_t *edges);

#endif
