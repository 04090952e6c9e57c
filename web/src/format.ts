// Figures as people read them.

export const count = (n: number): string => n.toLocaleString('en-US');

export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    ++at;
  }
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}

export function seconds(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Prices of single answers are far below a cent: three figures that count. */
export function money(amount: number, currency: string): string {
  const sign = currency === 'USD' ? '$' : `${currency} `;
  if (amount === 0) return `${sign}0`;
  const digits = amount >= 1 ? 2 : Math.min(12, 2 - Math.floor(Math.log10(amount)));
  return sign + amount.toFixed(digits);
}

export const percent = (share: number): string =>
  `${share === 0 ? 0 : share < 0.01 ? (share * 100).toFixed(2) : share < 0.1 ? (share * 100).toFixed(1) : Math.round(share * 100)} %`;
