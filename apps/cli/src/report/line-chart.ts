/**
 * A line chart as SVG, by hand: a few lines over the shared fraction, readable in print, in the dark, by a screen reader and
 * without colours (each series has its own marker). No script; points tell their value on hover.
 */
export interface Series {
  readonly name: string;
  /** Selects colour and marker: 0, 1, 2 … */
  readonly style: number;
  /** In ascending x. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  /** Logarithmic if the values spread over more than this factor; never if absent. */
  readonly logarithmicBeyond?: number;
}

const WIDTH = 520;
const HEIGHT = 280;
const MARGIN = { top: 14, right: 18, bottom: 44, left: 64 };
const PLOT_WIDTH = WIDTH - MARGIN.left - MARGIN.right;
const PLOT_HEIGHT = HEIGHT - MARGIN.top - MARGIN.bottom;
const TICKS = 5;

interface Scale {
  readonly ticks: readonly number[];
  readonly logarithmic: boolean;
  /** To a vertical position inside the SVG. */
  place(value: number): number;
}

export function renderChart(chart: Chart): string {
  const points = chart.series.flatMap((series) => series.points);
  const scale = makeScale(
    points.map((point) => point.y),
    chart.logarithmicBeyond,
  );
  const xs = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const unit = scale.logarithmic ? `${chart.unit}, logarithmic` : chart.unit;
  return `<figure>
<figcaption>${escapeText(chart.title)} <span>${escapeText(unit)}</span></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(describe(chart))}">
${renderAxes(scale, xs, chart.format)}
${chart.series.map((series) => renderSeries(series, scale, chart)).join("\n")}
</svg>
</figure>`;
}

/** The marker of a series, for a legend. */
export function renderMarker(style: number): string {
  return `<svg class="key" viewBox="-12 -7 24 14" aria-hidden="true"><line class="line s${style % 4}" x1="-12" x2="12" y1="0" y2="0"/>${marker(style, 0, 0)}</svg>`;
}

function renderAxes(scale: Scale, xs: readonly number[], format: (value: number) => string): string {
  const right = MARGIN.left + PLOT_WIDTH;
  const bottom = MARGIN.top + PLOT_HEIGHT;
  const rows = scale.ticks.map((tick) => {
    const y = at(scale.place(tick));
    return `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${y}" y2="${y}"/><text x="${MARGIN.left - 8}" y="${y}" dy="0.35em" text-anchor="end">${escapeText(format(tick))}</text>`;
  });
  const columns = xs.map(
    (x) => `<text x="${at(placeX(x))}" y="${bottom + 18}" text-anchor="middle">${x} %</text>`,
  );
  const caption = `<text class="axis" x="${MARGIN.left + PLOT_WIDTH / 2}" y="${bottom + 38}" text-anchor="middle">accesses to rows shared by all writers</text>`;
  return [...rows, ...columns, caption].join("\n");
}

function renderSeries(series: Series, scale: Scale, chart: Chart): string {
  const places = series.points.map(({ x, y }) => ({ x: placeX(x), y: scale.place(y) }));
  const line = places.map(({ x, y }) => `${at(x)},${at(y)}`).join(" ");
  const markers = series.points.map(({ x, y }, i) => {
    const tip = `${series.name}, ${x} % shared: ${chart.format(y)} ${chart.unit}`;
    return `<g>${marker(series.style, places[i]!.x, places[i]!.y)}<title>${escapeText(tip)}</title></g>`;
  });
  return `<g><polyline class="line s${series.style % 4}" points="${line}"/>${markers.join("")}</g>`;
}

function marker(style: number, x: number, y: number): string {
  const shape = style % 4;
  const of = `class="mark s${shape}"`;
  if (shape === 0) return `<circle ${of} cx="${at(x)}" cy="${at(y)}" r="4.5"/>`;
  if (shape === 1) return `<rect ${of} x="${at(x - 4)}" y="${at(y - 4)}" width="8" height="8"/>`;
  const corners =
    shape === 2
      ? [
          [0, -5.5],
          [5, 4],
          [-5, 4],
        ]
      : [
          [0, -6],
          [6, 0],
          [0, 6],
          [-6, 0],
        ];
  return `<polygon ${of} points="${corners.map(([dx, dy]) => `${at(x + dx!)},${at(y + dy!)}`).join(" ")}"/>`;
}

/** The shared fraction is always shown from 0 to 100 %. */
function placeX(x: number): number {
  return MARGIN.left + (x / 100) * PLOT_WIDTH;
}

function makeScale(values: readonly number[], logarithmicBeyond: number | undefined): Scale {
  const most = Math.max(0, ...values);
  const least = Math.min(...values.filter((value) => value > 0));
  const bottom = MARGIN.top + PLOT_HEIGHT;
  if (
    logarithmicBeyond !== undefined &&
    most > 0 &&
    values.every((v) => v > 0) &&
    most / least > logarithmicBeyond
  ) {
    const from = Math.floor(Math.log10(least));
    const to = Math.ceil(Math.log10(most));
    const ticks = Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
    const place = (value: number): number =>
      bottom - ((Math.log10(value) - from) / (to - from)) * PLOT_HEIGHT;
    return { ticks, logarithmic: true, place };
  }
  const step = niceStep(most === 0 ? 1 : most);
  const steps = Math.max(1, Math.ceil((most === 0 ? 1 : most) / step));
  const ticks = Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(6)));
  return { ticks, logarithmic: false, place: (value) => bottom - (value / (steps * step)) * PLOT_HEIGHT };
}

/** The smallest of 1, 2, 2.5 and 5 times a power of ten that needs at most TICKS steps to reach `most`. */
export function niceStep(most: number): number {
  const rough = most / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5, 10].find((f) => f * power >= rough * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** All values in words: what the picture says to whom does not see it. */
function describe(chart: Chart): string {
  const lines = chart.series.map(
    (series) =>
      `${series.name}: ${series.points.map(({ x, y }) => `${chart.format(y)} at ${x} %`).join(", ")}`,
  );
  return `${chart.title} (${chart.unit}) over the shared fraction. ${lines.join(". ")}.`;
}

function at(position: number): string {
  return position.toFixed(1).replace(/\.0$/, "");
}

export function escapeText(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
