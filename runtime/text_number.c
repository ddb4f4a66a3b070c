/* text_number.c: numbers as text and back, exactly: a number is taken as all its decimal digits,
 * which are shifted by powers of two and rounded once. */

/* 0.d1 d2 d3 … * 10^point; no double has more digits. `more`: some that are not 0 were dropped. */
enum { CTC_DECIMAL_DIGITS = 800, CTC_DECIMAL_SHIFT = 27 };
typedef struct {
  uint8_t digits[CTC_DECIMAL_DIGITS];
  int count, point, more;
} ctc_decimal;

/* Takes zeros from both ends. */
static inline void ctc_decimal_trim(ctc_decimal *d) {
  int zeros = 0;
  while (d->count > 0 && d->digits[d->count - 1] == 0) d->count--;
  while (zeros < d->count && d->digits[zeros] == 0) zeros++;
  memmove(d->digits, d->digits + zeros, (size_t)(d->count - zeros));
  d->count -= zeros;
  d->point = d->count ? d->point - zeros : 0;
}

/* d * 2^bits, bits up to CTC_DECIMAL_SHIFT */
static inline void ctc_decimal_double(ctc_decimal *d, int bits) {
  enum { MOST_NEW = 9 }; /* digits of 2^27 */
  uint64_t carry = 0;
  uint8_t head[MOST_NEW];
  int fresh = 0;
  for (int i = d->count - 1; i >= 0; i--) {
    carry += (uint64_t)d->digits[i] << bits;
    d->digits[i] = (uint8_t)(carry % 10);
    carry /= 10;
  }
  for (; carry; carry /= 10) head[fresh++] = (uint8_t)(carry % 10);
  int kept = d->count + fresh > CTC_DECIMAL_DIGITS ? CTC_DECIMAL_DIGITS - fresh : d->count;
  for (int i = kept; i < d->count; i++) d->more |= d->digits[i] != 0;
  memmove(d->digits + fresh, d->digits, (size_t)kept);
  for (int i = 0; i < fresh; i++) d->digits[i] = head[fresh - 1 - i];
  d->count = kept + fresh;
  d->point += fresh;
  ctc_decimal_trim(d);
}

/* d / 2^bits, bits up to CTC_DECIMAL_SHIFT */
static inline void ctc_decimal_halve(ctc_decimal *d, int bits) {
  const uint64_t mask = ((uint64_t)1 << bits) - 1;
  uint64_t rest = 0;
  int count = 0;
  for (int i = 0; i < d->count || (rest && count < CTC_DECIMAL_DIGITS); i++) {
    rest = rest * 10 + (i < d->count ? d->digits[i] : 0);
    d->digits[count++] = (uint8_t)(rest >> bits);
    rest &= mask;
  }
  d->more |= rest != 0;
  d->count = count;
  ctc_decimal_trim(d);
}

/* d * 2^bits, whatever the sign of bits */
static inline void ctc_decimal_scale(ctc_decimal *d, int bits) {
  int left = bits < 0 ? -bits : bits;
  while (left > 0) {
    const int step = left < CTC_DECIMAL_SHIFT ? left : CTC_DECIMAL_SHIFT;
    if (bits > 0)
      ctc_decimal_double(d, step);
    else
      ctc_decimal_halve(d, step);
    left -= step;
  }
}

/* The digits of an integer. */
static inline void ctc_decimal_set(ctc_decimal *d, uint64_t value) {
  int count = 0;
  for (uint64_t rest = value; rest; rest /= 10) count++;
  d->count = d->point = count;
  d->more = 0;
  for (; count > 0; value /= 10) d->digits[--count] = (uint8_t)(value % 10);
  ctc_decimal_trim(d);
}

/* Whether to go up when only the first `kept` digits stay: to the nearest, ties to even. */
static inline int ctc_decimal_rounds_up(const ctc_decimal *d, int kept) {
  if (kept < 0 || kept >= d->count) return 0;
  if (d->digits[kept] != 5 || kept + 1 < d->count || d->more) return d->digits[kept] >= 5;
  return kept > 0 && d->digits[kept - 1] % 2 == 1;
}

/* Rounds to so many digits. */
static inline void ctc_decimal_round(ctc_decimal *d, int kept) {
  if (kept >= d->count) return;
  int up = ctc_decimal_rounds_up(d, kept);
  d->count = kept;
  for (; up && d->count > 0 && d->digits[d->count - 1] == 9; d->count--) continue;
  if (up && d->count > 0) d->digits[d->count - 1]++;
  if (up && d->count == 0) {
    d->digits[d->count++] = 1;
    d->point++;
  }
  ctc_decimal_trim(d);
}

/* --- to text --- */

/* Room that a number takes as text, its end included. */
enum { CTC_NUMBER_BYTES = 32 };

/* Writes the integer; the number of bytes. */
static inline size_t ctc_print_integer(char *to, uint64_t value, int negative) {
  char digits[20];
  size_t count = 0, length = 0;
  do digits[count++] = (char)('0' + value % 10);
  while (value /= 10);
  if (negative) to[length++] = '-';
  while (count > 0) to[length++] = digits[--count];
  return length;
}

/* d with an exponent of ten: d.ddde+xx */
static inline size_t ctc_print_scientific(char *to, const ctc_decimal *d) {
  const int exponent = d->point - 1, size = exponent < 0 ? -exponent : exponent;
  size_t length = 0;
  for (int i = 0; i < d->count; i++) {
    if (i == 1) to[length++] = '.';
    to[length++] = (char)('0' + d->digits[i]);
  }
  to[length++] = 'e';
  to[length++] = exponent < 0 ? '-' : '+';
  if (size < 10) to[length++] = '0';
  return length + ctc_print_integer(to + length, (uint64_t)size, 0);
}

/* d without an exponent. */
static inline size_t ctc_print_plain(char *to, const ctc_decimal *d) {
  size_t length = 0;
  if (d->point <= 0) to[length++] = '0';
  for (int i = d->point < 0 ? d->point : 0; i < d->count || i < d->point; i++) {
    if (i == (d->point < 0 ? d->point : 0) && d->point <= 0) to[length++] = '.';
    if (i == d->point && d->point > 0) to[length++] = '.';
    to[length++] = (char)('0' + (i >= 0 && i < d->count ? d->digits[i] : 0));
  }
  return length;
}

/* Writes a word; the number of bytes. */
static inline size_t ctc_print_word(char *to, ctc_text word) {
  const size_t length = strlen(word);
  memcpy(to, word, length);
  return length;
}

/* The number with so many digits, as %g of C prints it; NaN, INF and -INF. */
static inline size_t ctc_print_real(char *to, double value, int digits) {
  ctc_decimal d;
  int exponent;
  size_t length = 0;
  if (value != value) return ctc_print_word(to, "NaN");
  if (value < 0 || (value == 0 && 1 / value < 0)) to[length++] = '-';
  value = fabs(value);
  if (value > DBL_MAX || value == 0)
    return length + ctc_print_word(to + length, value == 0 ? "0" : "INF");
  ctc_decimal_set(&d, (uint64_t)ldexp(frexp(value, &exponent), 53));
  ctc_decimal_scale(&d, exponent - 53);
  ctc_decimal_round(&d, digits);
  const int plain = d.point > -4 && d.point <= digits;
  return length + (plain ? ctc_print_plain(to + length, &d) : ctc_print_scientific(to + length, &d));
}

/* 8 digits, as onnxruntime has it. */
//$ for t in f32 f64
static inline size_t ctc_print_$t(char *to, $T value) {
  return ctc_print_real(to, (double)value, 8);
}
//$ end

static inline size_t ctc_print_i64(char *to, int64_t value) {
  return ctc_print_integer(to, value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value, value < 0);
}

static inline size_t ctc_print_u64(char *to, uint64_t value) {
  return ctc_print_integer(to, value, 0);
}

/* Cast to strings. */
//$ for t in f32 f64 i64 u64
static int ctc_text_from_$t(const $T *x, ctc_text *y, int64_t *pool, ctc_dim n) {
  for (ctc_dim i = 0; i < n; i++) {
    char text[CTC_NUMBER_BYTES];
    y[i] = ctc_text_copy(pool, text, ctc_print_$t(text, x[i]));
    if (!y[i]) return CTC_CAPACITY_TOO_SMALL;
  }
  return CTC_OK;
}
//$ end

/* --- from text --- */

/* Whether the text at *at begins with a word, which is in lower case, in any case; moves *at behind
 * it. */
static inline int ctc_take_word(ctc_text *at, ctc_text word) {
  ctc_text text = *at;
  for (; *word; text++, word++)
    if ((*text >= 'A' && *text <= 'Z' ? *text + ('a' - 'A') : *text) != *word) return 0;
  *at = text;
  return 1;
}

/* Digits with a point among them, from *at, which moves behind them; 0 if there are none. */
static inline int ctc_take_digits(ctc_text *at, ctc_decimal *d) {
  int any = 0, behind = 0;
  d->count = d->point = d->more = 0;
  for (;; (*at)++) {
    const char c = **at;
    if (c == '.' && !behind) {
      behind = 1;
      continue;
    }
    if (c < '0' || c > '9') break;
    any = 1;
    if (d->count == 0 && c == '0') {
      d->point -= behind;
      continue;
    }
    if (d->count < CTC_DECIMAL_DIGITS)
      d->digits[d->count++] = (uint8_t)(c - '0');
    else
      d->more |= c != '0';
    d->point += !behind;
  }
  ctc_decimal_trim(d);
  return any;
}

/* e+12, or nothing; the exponent, kept small enough to be added to. */
static inline int ctc_take_exponent(ctc_text *at) {
  enum { MOST = 100000 };
  ctc_text text = *at;
  int exponent = 0;
  if (*text != 'e' && *text != 'E') return 0;
  text++;
  const int negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  if (*text < '0' || *text > '9') return 0;
  for (; *text >= '0' && *text <= '9'; text++)
    if (exponent < MOST) exponent = exponent * 10 + (*text - '0');
  *at = text;
  return negative ? -exponent : exponent;
}

/* The nearest number with `bits` bits behind the first one, whose exponent is at least `least`. */
static inline double ctc_decimal_value(ctc_decimal *d, int bits, int least) {
  int exponent = 0;
  uint64_t whole = 0;
  if (d->count == 0 || d->point < -400) return 0;
  if (d->point > 400) return HUGE_VAL;
  while (d->point > 0) { /* below 1 */
    const int shift = d->point > 8 ? CTC_DECIMAL_SHIFT : 3 * d->point;
    ctc_decimal_scale(d, -shift);
    exponent += shift;
  }
  while (d->point < 0 || d->digits[0] < 5) { /* at least 1/2 */
    const int shift = d->point < -8 ? CTC_DECIMAL_SHIFT : d->point < 0 ? -3 * d->point : 1;
    ctc_decimal_scale(d, shift);
    exponent -= shift;
  }
  exponent--; /* d * 2 is in [1, 2) */
  const int lost = exponent < least ? least - exponent : 0;
  ctc_decimal_scale(d, bits + 1 - lost);
  for (int i = 0; i < d->point; i++) whole = whole * 10 + (i < d->count ? d->digits[i] : 0);
  whole += (uint64_t)ctc_decimal_rounds_up(d, d->point);
  return ldexp((double)whole, exponent + lost - bits);
}

/* Reads a number: plain, scientific, INF or NaN, with blanks around it. */
static inline int ctc_read_real(ctc_text text, double *value, int bits, int least) {
  ctc_decimal d;
  while (ctc_is_blank(*text)) text++;
  const int negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  if (ctc_take_word(&text, "nan")) {
    *value = (double)NAN;
  } else if (ctc_take_word(&text, "infinity") || ctc_take_word(&text, "inf")) {
    *value = HUGE_VAL;
  } else {
    if (!ctc_take_digits(&text, &d)) return CTC_BAD_ARGUMENT;
    const int exponent = ctc_take_exponent(&text);
    d.point += d.count ? exponent : 0;
    *value = ctc_decimal_value(&d, bits, least);
  }
  if (negative) *value = -*value;
  while (ctc_is_blank(*text)) text++;
  return *text ? CTC_BAD_ARGUMENT : CTC_OK;
}

static inline int ctc_read_f32(ctc_text text, float *value) {
  double found = 0;
  const int status = ctc_read_real(text, &found, 23, -126);
  *value = fabs(found) > (double)FLT_MAX ? (found < 0 ? -HUGE_VALF : HUGE_VALF) : (float)found;
  return status;
}

static inline int ctc_read_f64(ctc_text text, double *value) {
  *value = 0;
  return ctc_read_real(text, value, 52, -1022);
}

/* The integer part of a number; all digits of one without a point or exponent. */
static inline int ctc_read_integer(ctc_text text, uint64_t *value, int *negative) {
  ctc_text at = text;
  double real = 0;
  while (ctc_is_blank(*at)) at++;
  *negative = *at == '-';
  if (*at == '-' || *at == '+') at++;
  const ctc_text digits = at;
  for (*value = 0; *at >= '0' && *at <= '9'; at++) *value = *value * 10 + (uint64_t)(*at - '0');
  if (at > digits && !*at) return CTC_OK;
  const int status = ctc_read_f64(text, &real);
  real = fabs(real);
  *value = real < 18446744073709551616.0 ? (uint64_t)real : 0;
  return status;
}

static inline int ctc_read_i64(ctc_text text, int64_t *value) {
  uint64_t size;
  int negative;
  const int status = ctc_read_integer(text, &size, &negative);
  *value = (int64_t)(negative ? (uint64_t)0 - size : size);
  return status;
}

static inline int ctc_read_u64(ctc_text text, uint64_t *value) {
  int negative;
  const int status = ctc_read_integer(text, value, &negative);
  if (negative) *value = (uint64_t)0 - *value;
  return status;
}

/* Cast from strings. A string that is no number ends the run. */
//$ for t in f32 f64 i64 u64
static int ctc_text_to_$t(const ctc_text *x, $T *y, ctc_dim n) {
  for (ctc_dim i = 0; i < n; i++) {
    const int status = ctc_read_$t(x[i], y + i);
    if (status) return status;
  }
  return CTC_OK;
}
//$ end
