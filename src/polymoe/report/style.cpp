#include "polymoe/report/style.h"

#include <fmt/core.h>

namespace polymoe {
namespace {

// The series colours keep apart for colour-blind readers, on white and on near-black (the set of Okabe and Ito,
// darkened for light and lightened for dark backgrounds where its contrast is below 3:1).
constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;
--page:#f5f6f8;--card:#fff;--ink:#1a2029;--soft:#566070;--line:#dfe3e8;--grid:#eceff2;--heat:0 84 147;--on-heat:#fff;
--c0:#0068b0;--c1:#d05a00;--c2:#00896a;--c3:#a8458a;--c4:#8a6d00;--c5:#2797c9;--c6:#4b4f58;--mark:#1a2029}
@media (prefers-color-scheme:dark){:root{
--page:#0e1116;--card:#171b22;--ink:#e7eaee;--soft:#9aa5b3;--line:#2b313a;--grid:#232932;--heat:86 180 245;--on-heat:#0b1118;
--c0:#56b4f5;--c1:#f58b3c;--c2:#2fc79b;--c3:#e08fc4;--c4:#e6c229;--c5:#9fd8f5;--c6:#b4bac4;--mark:#f2f4f7}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}
main{max-width:1240px;margin:0 auto;padding:36px 24px 48px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:20px;margin:44px 0 4px;letter-spacing:-.01em}
h3{font-size:15px;margin:24px 0 8px}
.lead{margin:0 0 14px;color:var(--soft);max-width:100ch}
h2+.grid,h2+.card,h2+.scroll,h2+details{margin-top:14px}
header p{margin:0;color:var(--soft)}
.chips{margin:12px 0 0;display:flex;flex-wrap:wrap;gap:6px}
.chips span{border:1px solid var(--line);background:var(--card);border-radius:99px;padding:1px 10px;font-size:13px}
nav{margin-top:16px;display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px}
a{color:var(--c0);text-decoration:none}a:hover{text-decoration:underline}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(172px,1fr));gap:12px;margin-top:24px}
.tile,.chart,.card,.scroll>table.data{background:var(--card);border:1px solid var(--line);border-radius:10px}
.tile{padding:12px 16px 11px}
.tile b{display:block;font-size:25px;line-height:1.25;font-weight:650;letter-spacing:-.02em;white-space:nowrap;font-variant-numeric:tabular-nums}
.tile span{display:block;font-size:14px}.tile small{display:block;font-size:12.5px;color:var(--soft)}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:16px;align-items:start}
.grid.few{grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr))}
.grid+.grid,.grid+.scroll,.scroll+.grid,.grid+.ramp{margin-top:16px}
.chart{margin:0;padding:14px 16px 10px;position:relative;min-width:0;break-inside:avoid}
.chart.small{padding:10px 12px 6px}
figcaption{display:flex;flex-wrap:wrap;gap:2px 16px;align-items:baseline;justify-content:space-between;margin-bottom:8px;overflow-wrap:anywhere}
figcaption b{font-weight:600}
.small figcaption{margin-bottom:4px;font-size:14px}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:13px;color:var(--soft)}
.key{display:inline-flex;align-items:center;gap:6px}
.key svg{width:26px;height:10px}
svg{display:block;width:100%;height:auto}
svg.plot{overflow:hidden}
svg text{font-size:12px;fill:var(--soft);font-variant-numeric:tabular-nums}
.small svg text{font-size:10.5px}
svg text.name,svg text.value{fill:var(--ink)}
.end{text-anchor:end}.mid{text-anchor:middle}
path.grid{stroke:var(--grid);fill:none}path.axis,path.tick{stroke:var(--soft);fill:none;stroke-opacity:.6}
.curve{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.faint .curve{stroke-width:1.2;stroke-opacity:.42}
.dashed .curve{stroke-dasharray:6 4}
.dot{fill:var(--c);stroke:var(--card);stroke-width:1}
.dot.best{fill:var(--card);stroke:var(--c);stroke-width:2.5}
.bar{fill:var(--c)}.mark{stroke:var(--mark);stroke-width:2;fill:none}.mark.halo{stroke:var(--card);stroke-width:5}
.mark-key{width:2px;height:13px;background:var(--mark)}
.swatch{display:inline-block;width:11px;height:11px;border-radius:3px;background:var(--c);margin-right:6px;vertical-align:-1px}
.key .swatch{margin:0}
.cursor{stroke:var(--soft);stroke-dasharray:2 3}
.tip{position:absolute;pointer-events:none;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:5px 9px;font-size:12.5px;line-height:1.45;box-shadow:0 3px 12px rgb(0 0 0/.16);white-space:nowrap;z-index:2;font-variant-numeric:tabular-nums}
.tip b{display:block;font-weight:600}
.summary{margin-top:22px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:12px 16px 4px}
table.data{width:100%;border-collapse:separate;border-spacing:0;overflow:hidden;font-size:14px}
.data th,.data td{padding:6px 16px;text-align:right;border-top:1px solid var(--grid);white-space:nowrap}
.data thead th{border-top:0;color:var(--soft);font-weight:500;font-size:13px;vertical-align:bottom}
.data th:first-child{text-align:left;font-weight:500}
.data tr.total th,.data tr.total td{font-weight:650}
.data strong{font-weight:700}
.gain{color:var(--c2)}.loss{color:var(--c1)}
.heat table{width:100%;font-size:13px;table-layout:auto}
.heat th{font-weight:500;color:var(--soft);padding:3px 6px;text-align:center;white-space:nowrap}
.heat tbody th,.heat th:first-child{text-align:left;padding-left:0;width:1%}
.heat tbody th{color:var(--ink)}
.heat td{text-align:center;padding:5px 4px;border:1px solid var(--card);min-width:36px;background:rgb(var(--heat)/var(--a,0));print-color-adjust:exact;-webkit-print-color-adjust:exact}
.heat .extra{text-align:right;color:var(--soft);padding-left:12px;background:none}
.heat tr.total th,.heat tr.total td{border-top:3px solid var(--card)}
.heat.dense,.heat.wide{grid-column:1/-1}
.heat.dense td:not(.extra){min-width:7px;padding:0;height:18px;border-width:.5px}
.heat.dense thead th:not(.extra):not(:first-child){padding:0;max-width:7px;overflow:visible;text-align:left;font-size:11px}
td.none{background:repeating-linear-gradient(135deg,transparent 0 4px,var(--grid) 4px 5px)}
.ramp{display:flex;flex-wrap:wrap;align-items:center;gap:4px 8px;margin:0 0 14px;font-size:13px;color:var(--soft)}
.ramp i{width:140px;height:12px;border-radius:3px;border:1px solid var(--line);background:linear-gradient(90deg,rgb(var(--heat)/0),rgb(var(--heat)/1));print-color-adjust:exact;-webkit-print-color-adjust:exact}
.ramp .note{margin-left:8px}
.samples{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:16px}
.sample{padding:12px 16px 14px;break-inside:avoid;min-width:0}
.sample h3{margin:0 0 6px;font-size:13px;font-weight:600;color:var(--soft)}
.sample dl{margin:0;display:grid;grid-template-columns:minmax(76px,auto) 1fr;gap:5px 14px}
.sample dt{font-size:13px;color:var(--soft);padding-top:1px;max-width:160px;overflow-wrap:anywhere}
.sample dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap;min-width:0}
.sample dd.made{font-weight:600}
.sample dd.empty{color:var(--soft);font-style:italic;font-weight:400}
details{margin-top:16px}
details .samples,details .scroll{margin-top:12px}
summary{cursor:pointer;color:var(--soft);width:max-content;max-width:100%}
.config td,.config th{font-family:ui-monospace,"SF Mono","DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:13px}
.config td{text-align:left;white-space:normal;overflow-wrap:anywhere}
.config tr.differs td{color:var(--c1);font-weight:600}
.config thead th{text-align:left;font-family:inherit}
.empty-run{padding:18px 20px}
footer{margin-top:48px;padding-top:14px;border-top:1px solid var(--line);font-size:13px;color:var(--soft)}
@media (max-width:620px){main{padding:22px 14px 36px}h1{font-size:24px}.chart:not(.small) svg text{font-size:16px}.small svg text{font-size:16px}
.grid.few{grid-template-columns:1fr 1fr;gap:8px}.chart.small{padding:8px 6px 4px}
.tiles{grid-template-columns:repeat(2,1fr);gap:8px}.tile{padding:9px 12px}.tile b{font-size:20px}
.chart{padding:12px 10px 8px}.sample dl{grid-template-columns:1fr;gap:0}.sample dd+dt{margin-top:6px}.data th,.data td{padding:6px 10px}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--grid:#ddd;--heat:0 84 147;--on-heat:#fff;
--c0:#0068b0;--c1:#d05a00;--c2:#00896a;--c3:#a8458a;--c4:#8a6d00;--c5:#2797c9;--c6:#4b4f58;--mark:#000}
body{font-size:11pt}main{max-width:none;padding:0}nav,.tip{display:none}h2{break-after:avoid}
.grid,.samples{grid-template-columns:1fr 1fr}.grid.few{grid-template-columns:repeat(3,1fr)}.scroll{overflow:visible}
.heat{grid-column:1/-1}.heat td,.heat th{font-size:8.5pt;padding:3px 2px;min-width:0}
.bar,.swatch{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

constexpr std::string_view kScript = R"js(
for (const plot of document.querySelectorAll('svg.plot')) {
  const figure = plot.closest('figure'), drawing = plot.ownerSVGElement;
  const range = name => plot.dataset[name].split(' ').map(Number);
  const [x0, x1] = range('x'), [y0, y1] = range('y');
  const [width, height] = range('size'), left = plot.x.baseVal.value - plot.viewBox.baseVal.x;
  const short = value => Math.abs(value) >= 10000 ? Math.round(value).toLocaleString('en') : String(+value.toPrecision(4));
  // The tooltip would hide behind the browser's own.
  const title = drawing.querySelector(':scope > title');
  drawing.setAttribute('aria-label', title.textContent);
  title.remove();
  for (const inner of plot.querySelectorAll('title')) inner.remove();
  const series = [...plot.querySelectorAll('.series:not(.faint)')].map(group => {
    const numbers = (group.querySelector('.curve').getAttribute('d').match(/-?[\d.]+/g) || []).map(Number);
    const points = [];
    for (let i = 0; i + 1 < numbers.length; i += 2) points.push([numbers[i], numbers[i + 1]]);
    return {name: group.dataset.name, color: getComputedStyle(group).getPropertyValue('--c'), points};
  });
  const cursor = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  cursor.setAttribute('class', 'cursor');
  const tip = document.createElement('div');
  tip.className = 'tip';
  const hide = () => { cursor.remove(); tip.remove(); };
  drawing.addEventListener('pointerleave', hide);
  drawing.addEventListener('pointermove', event => {
    const box = drawing.getBoundingClientRect(), scale = box.width / drawing.viewBox.baseVal.width;
    const at = (event.clientX - box.left) / scale - left;
    if (at < -4 || at > width + 4) return hide();
    let nearest = null;
    for (const one of series) for (const point of one.points)
      if (nearest === null || Math.abs(point[0] - at) < Math.abs(nearest - at)) nearest = point[0];
    if (nearest === null) return hide();
    cursor.setAttribute('d', `M${nearest} 0V${height}`);
    plot.append(cursor);
    const head = document.createElement('b');
    head.textContent = `${plot.dataset.label} ${Math.round(x0 + nearest / width * (x1 - x0)).toLocaleString('en')}`;
    tip.replaceChildren(head);
    for (const one of series) {
      const point = one.points.reduce((a, b) => Math.abs(b[0] - nearest) < Math.abs(a[0] - nearest) ? b : a);
      if (Math.abs(point[0] - nearest) > width / 40) continue;
      const row = document.createElement('div'), box = document.createElement('i');
      box.className = 'swatch';
      box.style.background = one.color;
      row.append(box, `${one.name ? one.name + ' ' : ''}${short(y1 - point[1] / height * (y1 - y0))}`);
      tip.append(row);
    }
    figure.append(tip);
    const frame = figure.getBoundingClientRect();
    const x = box.left - frame.left + (left + nearest) * scale;
    tip.style.left = `${x + 12 + tip.offsetWidth > frame.width ? Math.max(0, x - 12 - tip.offsetWidth) : x + 12}px`;
    tip.style.top = `${box.top - frame.top + 12}px`;
  });
}
)js";

}  // namespace

std::string report_style() {
  std::string style = kStyle;
  for (std::size_t color = 0; color < kSeriesColors; ++color) style += fmt::format(".c{0}{{--c:var(--c{0})}}", color);
  for (int step = 1; step <= kHeatSteps; ++step) {
    style += fmt::format(".h{}{{--a:{:.2f}{}}}", step, static_cast<double>(step) / kHeatSteps,
                         step >= kHeatSteps * 14 / 20 ? ";color:var(--on-heat)" : "");
  }
  return style + "\n";
}

std::string_view report_script() { return kScript; }

std::string_view look_class(Series::Look look) {
  switch (look) {
    case Series::Look::kFaint:
      return "faint";
    case Series::Look::kDashed:
      return "dashed";
    case Series::Look::kMarked:
      return "marked";
    case Series::Look::kLine:
      break;
  }
  return "line";
}

}  // namespace polymoe
