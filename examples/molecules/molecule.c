/* molecule.c: SMILES. Atoms stand in a row, each bound to the one before it; "(…)" is a branch, two
 * equal digits are a bond that closes a ring, "=" and "#" are double and triple bonds. "CC(=O)O" is
 * acetic acid, "c1ccccc1" and "C1=CC=CC=C1" are benzene. Hydrogens are not written, but in "[…]",
 * where everything is: "[nH]", "[O-]". */
#include "molecule.h"

#include <stdio.h>
#include <string.h>

enum { MOST_BRANCHES = 64, RINGS = 100, VALENCES = 3 };

typedef struct {
  const char *symbol;
  int valences[VALENCES]; /* of an atom without charge, in rising order */
  int bare;               /* may stand without brackets */
} Element;

static const Element elements[ELEMENTS] = {{"B", {3}, 1},    {"Br", {1}, 1},      {"C", {4}, 1},
                                           {"Cl", {1}, 1},   {"F", {1}, 1},       {"H", {1}, 0},
                                           {"I", {1}, 1},    {"N", {3, 5}, 1},    {"O", {2}, 1},
                                           {"P", {3, 5}, 1}, {"S", {2, 4, 6}, 1}, {"Si", {4}, 0}};
enum { CARBON = 2, HYDROGEN = 5 };
static const char aromatic_symbols[] = "bcnops";

typedef struct {
  const char *at;
  Molecule *molecule;
  int previous; /* the atom that the next one is bound to; -1 at the beginning */
  int order;    /* of the bond to it, if it was written; else 0 */
  int branches[MOST_BRANCHES], depth;
  Bond rings[RINGS]; /* by number: the atom that waits for another, -1 if none does */
} Reader;

/* --- bonds --- */

static const char *add_bond(Molecule *molecule, int a, int b, int order) {
  for (int i = 0; i < molecule->bond_count; i++) {
    const Bond *bond = &molecule->bonds[i];
    if ((bond->a == a && bond->b == b) || (bond->a == b && bond->b == a))
      return "two bonds between the same atoms";
  }
  if (a == b) return "an atom is bound to itself";
  if (molecule->bond_count == MOST_BONDS) return "too many bonds";
  Bond *bond = &molecule->bonds[molecule->bond_count++];
  bond->a = a, bond->b = b, bond->order = order ? order : 1;
  for (int end = 0; end < 2; end++) {
    Atom *atom = &molecule->atoms[end ? b : a];
    atom->degree++, atom->order += bond->order;
  }
  return NULL;
}

/* A ring's number: the first time it is kept, the second time it is a bond. */
static const char *read_ring(Reader *reader) {
  int number = *reader->at++ - '0';
  if (number == '%' - '0') {
    if (strspn(reader->at, "0123456789") < 2) return "two digits must follow '%'";
    number = 10 * (reader->at[0] - '0') + (reader->at[1] - '0');
    reader->at += 2;
  }
  if (reader->previous < 0) return "a ring begins before the first atom";
  Bond *ring = &reader->rings[number];
  const int order = reader->order;
  reader->order = 0;
  if (ring->a < 0) return ring->a = reader->previous, ring->order = order, NULL;
  if (order && ring->order && order != ring->order) return "a ring is closed by two kinds of bonds";
  const int other = ring->a;
  ring->a = -1;
  return add_bond(reader->molecule, other, reader->previous, order ? order : ring->order);
}

/* --- atoms --- */

/* The element whose symbol the text begins with, the longest one; -1: none. */
static int read_element(Reader *reader, int *aromatic) {
  char text[3] = {0};
  strncpy(text, reader->at, 2);
  *aromatic = text[0] && strchr(aromatic_symbols, text[0]) != NULL;
  if (*aromatic) text[0] = (char)(text[0] - 'a' + 'A'), text[1] = 0;
  for (size_t length = strlen(text); length > 0; text[--length] = 0)
    for (int i = 0; i < ELEMENTS; i++)
      if (!strcmp(elements[i].symbol, text)) return reader->at += length, i;
  return -1;
}

/* A number, `otherwise` if there is none. */
static int read_number(Reader *reader, int otherwise) {
  if (*reader->at < '0' || *reader->at > '9') return otherwise;
  int number = 0;
  for (; *reader->at >= '0' && *reader->at <= '9'; reader->at++)
    if (number < 1000) number = 10 * number + (*reader->at - '0');
  return number;
}

/* "+", "--", "+2" */
static int read_charge(Reader *reader) {
  const char sign = *reader->at;
  if (sign != '+' && sign != '-') return 0;
  const int count = (int)strspn(reader->at, sign == '+' ? "+" : "-");
  reader->at += count;
  const int charge = read_number(reader, count);
  return sign == '+' ? charge : -charge;
}

/* The inside of "[…]", from behind the first bracket. */
static const char *read_bracket(Reader *reader, Atom *atom) {
  if (read_number(reader, -1) >= 0) return "isotopes are not known";
  atom->element = read_element(reader, &atom->aromatic);
  if (atom->element < 0) return "this element is not known";
  if (atom->element == HYDROGEN) return "hydrogen is no atom of its own: write [OH], or nothing";
  while (*reader->at == '@') reader->at++;
  atom->hydrogens = 0;
  if (*reader->at == 'H') reader->at++, atom->hydrogens = read_number(reader, 1);
  atom->charge = read_charge(reader);
  if (*reader->at == ':') reader->at++, read_number(reader, 0); /* a number of a reaction's */
  if (*reader->at++ != ']') return "']' is missing";
  return atom->hydrogens > 4 || atom->charge < -4 || atom->charge > 4 ? "a strange atom" : NULL;
}

static const char *read_bare(Reader *reader, Atom *atom) {
  atom->hydrogens = -1;
  atom->element = read_element(reader, &atom->aromatic);
  return atom->element >= 0 && elements[atom->element].bare
             ? NULL
             : "this is no SMILES text of the elements that are known";
}

static const char *read_atom(Reader *reader) {
  Molecule *molecule = reader->molecule;
  if (molecule->atom_count == MOST_ATOMS) return "too many atoms";
  const int index = molecule->atom_count++;
  Atom *atom = &molecule->atoms[index];
  memset(atom, 0, sizeof *atom);
  const char *wrong =
      *reader->at == '[' ? (reader->at++, read_bracket(reader, atom)) : read_bare(reader, atom);
  if (!wrong && reader->previous >= 0)
    wrong = add_bond(molecule, reader->previous, index, reader->order);
  reader->previous = index;
  reader->order = 0;
  return wrong;
}

/* The lowest of an element's valences that is not below `order`; 0: there is none. */
static int valence_above(const Atom *atom, int order) {
  const int *valences = elements[atom->element].valences;
  for (int i = 0; i < VALENCES; i++)
    if (valences[i] >= order) return valences[i];
  return 0;
}

/* What the bonds leave of the valence; an aromatic atom gives one electron to the ring. */
static const char *add_hydrogens(Atom *atom) {
  if (atom->hydrogens >= 0) return NULL;
  const int lowest = elements[atom->element].valences[0],
            valence = valence_above(atom, atom->order);
  if (!valence) return "an atom has too many bonds";
  atom->hydrogens = atom->aromatic ? lowest - atom->order - 1 : valence - atom->order;
  if (atom->hydrogens < 0) atom->hydrogens = 0;
  return NULL;
}

/* --- the text --- */

static const char *read_branch(Reader *reader) {
  if (*reader->at++ == '(') {
    if (reader->previous < 0) return "a branch before the first atom";
    if (reader->depth == MOST_BRANCHES) return "too many branches inside each other";
    return reader->branches[reader->depth++] = reader->previous, NULL;
  }
  if (!reader->depth) return "a ')' without '('";
  return reader->previous = reader->branches[--reader->depth], NULL;
}

static const char *read_bond(Reader *reader) {
  const char kind = *reader->at++;
  if (reader->previous < 0) return "a bond before the first atom";
  reader->order = kind == '=' ? 2 : kind == '#' ? 3 : 1;
  return NULL;
}

static const char *read_part(Reader *reader) {
  if (strchr("-=#:/\\", *reader->at)) return read_bond(reader);
  if (strchr("()", *reader->at)) return read_branch(reader);
  if (strchr("%0123456789", *reader->at)) return read_ring(reader);
  return *reader->at == '.' ? "these are several molecules" : read_atom(reader);
}

static const char *check_end(const Reader *reader) {
  if (!reader->molecule->atom_count) return "there is no atom";
  if (reader->depth) return "a ')' is missing";
  if (reader->order) return "a bond to nothing";
  for (int i = 0; i < RINGS; i++)
    if (reader->rings[i].a >= 0) return "a ring is not closed";
  return NULL;
}

const char *molecule_read(const char *smiles, Molecule *molecule) {
  Reader reader = {smiles, molecule, -1, 0, {0}, 0, {{0}}};
  for (int i = 0; i < RINGS; i++) reader.rings[i].a = -1;
  molecule->atom_count = molecule->bond_count = 0;
  const char *wrong = NULL;
  while (!wrong && *reader.at) wrong = read_part(&reader);
  if (!wrong) wrong = check_end(&reader);
  for (int i = 0; !wrong && i < molecule->atom_count; i++)
    wrong = add_hydrogens(&molecule->atoms[i]);
  return wrong;
}

/* --- what is made of it --- */

static void append(char *formula, int element, int *count) {
  if (*count == 0) return;
  formula += strlen(formula);
  formula += sprintf(formula, "%s", elements[element].symbol);
  if (*count > 1) sprintf(formula, "%d", *count);
  *count = 0;
}

void molecule_formula(const Molecule *molecule, char formula[FORMULA_SIZE]) {
  int counts[ELEMENTS] = {0};
  for (int i = 0; i < molecule->atom_count; i++) {
    counts[molecule->atoms[i].element]++;
    counts[HYDROGEN] += molecule->atoms[i].hydrogens;
  }
  formula[0] = 0;
  if (counts[CARBON])
    append(formula, CARBON, &counts[CARBON]), append(formula, HYDROGEN, &counts[HYDROGEN]);
  for (int i = 0; i < ELEMENTS; i++) append(formula, i, &counts[i]);
}

/* Double bonds count 1, triple ones 2. In an aromatic ring an atom has one if its valence is not
 * used up without: so both ways to write benzene give the same. */
static int multiple_bonds(const Atom *atom) {
  const int left =
      elements[atom->element].valences[0] + atom->charge - atom->order - atom->hydrogens;
  return atom->order - atom->degree + (atom->aromatic && left > 0);
}

/* Whether there is a way between the ends of a bond without that bond. */
static int is_in_ring(const Molecule *molecule, const Bond *bond) {
  char reached[MOST_ATOMS] = {0};
  reached[bond->a] = 1;
  for (int more = 1; more && !reached[bond->b];) {
    more = 0;
    for (const Bond *other = molecule->bonds; other < molecule->bonds + molecule->bond_count;
         other++)
      if (other != bond && reached[other->a] != reached[other->b])
        reached[other->a] = reached[other->b] = 1, more = 1;
  }
  return reached[bond->b];
}

void molecule_features(const Molecule *molecule, float *features) {
  memset(features, 0, sizeof *features * FEATURES * (size_t)molecule->atom_count);
  for (int i = 0; i < molecule->atom_count; i++) {
    const Atom *atom = &molecule->atoms[i];
    float *row = features + i * FEATURES;
    row[atom->element] = 1;
    row[ELEMENTS] = (float)atom->hydrogens;
    row[ELEMENTS + 1] = (float)multiple_bonds(atom);
    row[ELEMENTS + 2] = (float)atom->charge;
  }
  for (int i = 0; i < molecule->bond_count; i++) {
    const Bond *bond = &molecule->bonds[i];
    if (is_in_ring(molecule, bond))
      features[bond->a * FEATURES + ELEMENTS + 3] = features[bond->b * FEATURES + ELEMENTS + 3] = 1;
  }
}

void molecule_edges(const Molecule *molecule, int64_t *edges) {
  const int count = molecule->bond_count;
  for (int i = 0; i < count; i++) {
    const Bond *bond = &molecule->bonds[i];
    edges[i] = edges[3 * count + i] = bond->a;
    edges[count + i] = edges[2 * count + i] = bond->b;
  }
}
