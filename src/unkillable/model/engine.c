/*
 * All states of a system, breadth first, and where one can go round in them for ever.
 *
 * Compiled behind the rules of a layout (ctext.py), which bring WIDTH, AT, STATE, PANICKED, fire(), broken() and holds().  States are
 * numbered in the order in which they are found, so a state's parent is on a shortest way to it.  Nothing here prints or ends the
 * process; sizes come from the caller, and every allocation that fails is told.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NEVER 8
#define WORDS (WIDTH / 8)

typedef struct { int rule, choices, may_sleep, process; } rule_row;

typedef struct {
	unsigned char *rows;
	int32_t *parents;
	uint32_t *table;
	uint64_t mask;
	int64_t room, count, done, edges, level, depth;
	int64_t first[NEVER];
	int tasks, processes;
	int p[96];
	const int *by_place;      /* where the rules of a task at each place begin */
	const rule_row *rules;
	const rule_row *others;   /* of nobody's tasks */
	int other_count;
	int64_t *starts;
	int32_t *targets;
	unsigned char *movers;
} space;

static uint64_t hash(const unsigned char *row)
{
	uint64_t h = 0x9e3779b97f4a7c15u, w;
	for (int k = 0; k < WORDS; k++) {
		memcpy(&w, row + 8 * k, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	return h;
}

/* Where in the table this row is, or belongs. */
static uint64_t place_of(const space *m, const unsigned char *row)
{
	uint64_t place = hash(row) & m->mask;
	while (m->table[place] && memcmp(m->rows + (int64_t)(m->table[place] - 1) * WIDTH, row, WIDTH))
		place = (place + 1) & m->mask;
	return place;
}

/* A table that has twice as much room, so that a small search touches little memory.  1: no memory. */
static int grow(space *m)
{
	uint32_t *old = m->table;
	m->table = calloc(2 * (m->mask + 1), sizeof *m->table);
	if (!m->table) {
		m->table = old;
		return 1;
	}
	free(old);
	m->mask = 2 * m->mask + 1;
	for (int64_t k = 0; k < m->count; k++)
		m->table[place_of(m, m->rows + k * WIDTH)] = k + 1;
	return 0;
}

void space_free(space *m)
{
	if (!m)
		return;
	free(m->rows);
	free(m->parents);
	free(m->table);
	free(m->starts);
	free(m->targets);
	free(m->movers);
	free(m);
}

space *space_new(const unsigned char *initial, int64_t room, const int *p, int tasks, int processes, const int *by_place,
		 const rule_row *rules, const rule_row *others, int other_count)
{
	space *m = calloc(1, sizeof *m);
	if (!m)
		return NULL;
	m->mask = 4095;
	m->room = room;
	m->rows = malloc((size_t)(room + 1) * WIDTH);
	m->parents = malloc((size_t)(room + 1) * sizeof *m->parents);
	m->table = calloc(m->mask + 1, sizeof *m->table);
	if (!m->rows || !m->parents || !m->table) {
		space_free(m);
		return NULL;
	}
	memcpy(m->p, p, sizeof(int) * PARAMETERS);
	m->tasks = tasks;
	m->processes = processes;
	m->by_place = by_place;
	m->rules = rules;
	m->others = others;
	m->other_count = other_count;
	memcpy(m->rows, initial, WIDTH);
	m->parents[0] = -1;
	m->table[place_of(m, initial)] = 1;
	m->count = 1;
	for (int k = 0; k < NEVER; k++)
		m->first[k] = -1;
	return m;
}

typedef int (*found)(space *m, int64_t from, unsigned char *row, int process);

/* Everything that can happen next; `row` is room for one.  Ends early where `tell` returns something. */
static int next(space *m, int64_t number, unsigned char *row, found tell)
{
	const unsigned char *old = m->rows + number * WIDTH;
	int answer;
	if (old[PANICKED])
		return 0;
	memcpy(row, old, WIDTH);
	for (int t = 0; t <= m->tasks; t++) {
		int own = t < m->tasks;
		const rule_row *rule = own ? m->rules + m->by_place[old[AT + t]] : m->others;
		const rule_row *end = own ? m->rules + m->by_place[old[AT + t] + 1] : m->others + m->other_count;
		for (; rule < end; rule++) {
			if (own && old[STATE + t] && !rule->may_sleep)
				continue;
			for (int x = 0; x < rule->choices; x++) {
				if (!fire(row, m->p, rule->rule, own ? t : 0, x))
					continue;
				answer = tell(m, number, row, rule->process < 0 ? t : rule->process);
				if (answer)
					return answer;
				memcpy(row, old, WIDTH);
			}
		}
	}
	return 0;
}

static int keep(space *m, int64_t from, unsigned char *row, int process)
{
	uint64_t place = place_of(m, row);
	(void)process;
	m->edges++;
	if (m->table[place])
		return 0;
	if (m->count >= m->room)
		return 1;
	memcpy(m->rows + m->count * WIDTH, row, WIDTH);
	m->parents[m->count] = from;
	m->table[place] = ++m->count;
	return 2 * (uint64_t)m->count > m->mask && grow(m);
}

/* Goes on for so many states.  0: all is found; 1: no room for more; 2: there is more. */
int space_expand(space *m, int64_t states)
{
	unsigned char row[WIDTH];
	for (; m->done < m->count; m->done++) {
		int bits;
		if (states-- <= 0)
			return 2;
		if (m->done == m->level) {
			m->level = m->count;
			m->depth++;
		}
		bits = broken(m->rows + m->done * WIDTH, m->p);
		for (int k = 0; bits >> k; k++)
			if (bits >> k & 1 && m->first[k] < 0)
				m->first[k] = m->done;
		if (next(m, m->done, row, keep))
			return 1;
	}
	return 0;
}

int64_t space_count(const space *m) { return m->count; }
int64_t space_done(const space *m) { return m->done; }
int64_t space_edges(const space *m) { return m->edges; }
int64_t space_depth(const space *m) { return m->depth - 1; }
int64_t space_first(const space *m, int property) { return m->first[property]; }
int64_t space_parent(const space *m, int64_t number) { return m->parents[number]; }
const unsigned char *space_row(const space *m, int64_t number) { return m->rows + number * WIDTH; }

int64_t space_number(const space *m, const unsigned char *row)
{
	return (int64_t)m->table[place_of(m, row)] - 1;
}

static int link(space *m, int64_t from, unsigned char *row, int process)
{
	int64_t edge = m->starts[from + 1]++;
	m->targets[edge] = space_number(m, row);
	m->movers[edge] = process;
	return 0;
}

/* The steps between all states.  0: done; 1: no memory. */
int space_connect(space *m)
{
	unsigned char row[WIDTH];
	m->starts = calloc(m->count + 1, sizeof *m->starts);
	m->targets = malloc((m->edges + 1) * sizeof *m->targets);
	m->movers = malloc(m->edges + 1);
	if (!m->starts || !m->targets || !m->movers)
		return 1;
	for (int64_t n = 0; n < m->count; n++) {
		m->starts[n + 1] = m->starts[n];
		next(m, n, row, link);
	}
	return 0;
}

static int somebody_at(const space *m, int64_t number, int place)
{
	for (int t = 0; t < m->tasks; t++)
		if (m->rows[number * WIDTH + AT + t] == place)
			return 1;
	return place < 0;
}

/*
 * The nearest state in which a property can begin to hold for ever for a task, although whoever could go on all the time does at times
 * go on, and in which somebody is at `place`, if that is not -1; -1: there is none; -2: no memory.  Strongly connected components by Tarjan, without recursion, among the states that have it.
 */
int64_t space_lasting(const space *m, int which, int task, int place)
{
	int64_t n = m->count, top, depth = 0, found = 0, counter = 0, answer = -1;
	uint32_t all = (1u << m->processes) - 1;
	int32_t *order = malloc(n * sizeof *order), *low = malloc(n * sizeof *low), *owner = malloc(n * sizeof *owner);
	int32_t *work = malloc(n * sizeof *work), *stack = malloc(n * sizeof *stack);
	int64_t *edge = malloc(n * sizeof *edge);
	uint32_t *moved = NULL;

	if (!order || !low || !owner || !work || !stack || !edge) {
		answer = -2;
		goto out;
	}
	/* -1: not seen; -2: it does not have the property. */
	for (int64_t k = 0; k < n; k++) {
		order[k] = holds(m->rows + k * WIDTH, m->p, which, task) ? -1 : -2;
		owner[k] = -1;
	}
	for (int64_t root = 0; root < n; root++) {
		if (order[root] != -1)
			continue;
		top = 0;
		work[0] = root;
		edge[0] = m->starts[root];
		order[root] = low[root] = counter++;
		stack[depth++] = root;
		while (top >= 0) {
			int32_t node = work[top], other;
			if (edge[top] < m->starts[node + 1]) {
				other = m->targets[edge[top]++];
				if (order[other] == -1) {
					order[other] = low[other] = counter++;
					stack[depth++] = other;
					work[++top] = other;
					edge[top] = m->starts[other];
				} else if (order[other] >= 0 && owner[other] < 0 && order[other] < low[node]) {
					low[node] = order[other];
				}
				continue;
			}
			if (low[node] == order[node]) {
				do {
					other = stack[--depth];
					owner[other] = found;
				} while (other != node);
				found++;
			}
			if (--top >= 0 && low[node] < low[work[top]])
				low[work[top]] = low[node];
		}
	}
	/* By component: who moves within it or is at times unable to move; the highest bit: one can stay. */
	moved = calloc(found + 1, sizeof *moved);
	if (!moved) {
		answer = -2;
		goto out;
	}
	for (int64_t k = 0; k < n; k++) {
		uint32_t able = 0;
		if (owner[k] < 0)
			continue;
		for (int64_t e = m->starts[k]; e < m->starts[k + 1]; e++) {
			able |= 1u << m->movers[e];
			if (owner[m->targets[e]] == owner[k])
				moved[owner[k]] |= 1u << m->movers[e] | 1u << 31;
		}
		if (m->starts[k] == m->starts[k + 1])
			moved[owner[k]] |= 1u << 31;
		moved[owner[k]] |= all & ~able;
	}
	for (int64_t k = 0; k < n && answer < 0; k++)
		if (owner[k] >= 0 && moved[owner[k]] >> 31 && (moved[owner[k]] & all) == all && somebody_at(m, k, place))
			answer = k;
out:
	free(order);
	free(low);
	free(owner);
	free(work);
	free(stack);
	free(edge);
	free(moved);
	return answer;
}
