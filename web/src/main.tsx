import 'katex/dist/katex.min.css';
import './styles.css';
import { render } from 'preact';
import { App } from './app';
import { PageView } from './view/page';

const app = new App();
render(<PageView app={app} />, document.getElementById('page')!);
void app.start();
