/** Where `procedures.ts` is, for nodes that are told to load it: the source if this runs from source, else what was built. */
export const BENCH_PROCEDURES_URL = new URL(
  import.meta.url.endsWith(".ts") ? "./procedures.ts" : "./procedures.js",
  import.meta.url,
);
