/** A port that a cluster of a test begins at: files that run side by side never choose the same. The 100 from it on are the cluster's. */
export function basePort(): number {
  const worker = Number(process.env["VITEST_POOL_ID"] ?? 0) % 8;
  return 20_000 + 100 * (15 * worker + Math.floor(Math.random() * 15));
}
