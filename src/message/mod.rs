//! Messages, one way: the example that unit B3 starts from and that the select slides take apart.
//!
//! | file | program | sheet | what it adds |
//! |---|---|---|---|
//! | [`server`] | `message-server` | B3, `myserver.py`; select slides | framing; threads, or one thread by readiness |
//! | [`client`] | `message-client` | B3, `myclient.py`; select slides | connect, write, close |

pub mod client;
pub mod server;
